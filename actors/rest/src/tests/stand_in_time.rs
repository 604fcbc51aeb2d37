//! Rows of the fault table that take minutes, against the stand-in for Discord and over real sockets: its time and the
//! client's are moved together, and stand while anything is on its way.

use crate::{Access, Rest, RestConfig, RestError, Send};
use protocol::Secret;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use sandbox::{Fault, Limit, Rate, SandboxConfig, Strict, VirtualTime, description_at};
use serenity::{
    builder::{CreateInteractionResponse, CreateMessage},
    model::id::{ChannelId, InteractionId},
};
use std::time::Duration;
use tokio::{task::JoinSet, time::Instant};

const POST: &str = "POST /channels/{channel_id}/messages";
const GET: &str = "GET /channels/{channel_id}";
const MEMBER: &str = "GET /guilds/{guild_id}/members/{user_id}";
const SECOND: Duration = Duration::from_secs(1);

/// Every request has to fit Discord's own OpenAPI description, where that is at hand.
fn begin(seed: u64, config: RestConfig, change: impl FnOnce(&mut SandboxConfig)) -> (Strict, Rest) {
    let description = description_at(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/discord-openapi.json"));
    let mut of_sandbox = SandboxConfig { seed, description: Some(description), ..SandboxConfig::default() };
    change(&mut of_sandbox);
    let sandbox = Strict::start(of_sandbox).unwrap();
    let allow_hosts = vec!["127.0.0.1".to_owned()];
    let access = Access { api_base: sandbox.api_base(), token: Secret::new(sandbox.token()), allow_hosts };
    let rest = Rest::standalone(config, &access).unwrap();
    (sandbox, rest)
}

fn patient(seconds: u64) -> RestConfig {
    RestConfig { global_per_second: 50, deadline_ms: seconds * 1_000, attempts: 3, invalid_limit: 5_000 }
}

async fn post(rest: &Rest, channel: u64, text: &str) -> Result<(), RestError> {
    let message = CreateMessage::new().content(text);
    rest.create_message(ChannelId::new(channel), message, Send::default()).await.map(|_| ())
}

/// Lets `step` pass, and waits until everything that is sent then is answered.
async fn tick(time: &VirtualTime<'_>, rest: &Rest, step: Duration) {
    time.pass(step).await;
    time.until("the answers", || rest.status().in_flight == 0).await;
}

/// Lets time pass until all are done.
async fn all<T: 'static>(time: &VirtualTime<'_>, rest: &Rest, step: Duration, mut callers: JoinSet<T>) -> Vec<T> {
    let mut done = Vec::new();
    while !callers.is_empty() {
        while let Some(one) = callers.try_join_next() {
            done.push(one.unwrap());
        }
        tick(time, rest, step).await;
    }
    done
}

/// The most within any one second.
fn most_in_a_second(times: &[Duration]) -> usize {
    let within = |first: usize| times[first..].iter().take_while(|&&at| at - times[first] < SECOND).count();
    (0..times.len()).map(within).max().unwrap_or_default()
}

/// R6: which routes share a bucket, what it is called and what it holds are drawn anew again and again.
#[tokio::test(start_paused = true)]
async fn buckets_that_the_stand_in_changes_and_shares_are_learned_anew_by_one_answer() {
    const ROUNDS: usize = 25;
    let seed = sandbox::seed("R6");
    let mut rng = StdRng::seed_from_u64(seed);
    let (sandbox, rest) = begin(seed, RestConfig { global_per_second: 10_000, ..patient(600) }, |_| {});
    let time = VirtualTime::of(&sandbox);
    let (channel, guild, owner) = (sandbox.general_id(), sandbox.guild_id(), sandbox.owner_id());
    let ask = |route: &'static str| {
        let rest = rest.clone();
        async move {
            match route {
                POST => post(&rest, channel, "x").await,
                GET => rest.get_channel(channel.into(), Send::default()).await.map(|_| ()),
                _ => rest.get_member(guild.into(), owner.into(), Send::default()).await.map(|_| ()),
            }
        }
    };
    let (mut learning, mut bursts, mut asked) = (0, 0, 0);
    for round in 0..ROUNDS {
        // Each of three routes in one of two buckets, some of them with names from before.
        let name = |rng: &mut StdRng| format!("bucket-{}", rng.random_range(round.saturating_sub(2)..=round));
        let names = [name(&mut rng), name(&mut rng)];
        let rates =
            [(); 2].map(|()| Rate { requests: rng.random_range(1..=8), window_ms: rng.random_range(1..=4) * 500 });
        let limits = [POST, GET, MEMBER].map(|route| {
            let which = rng.random_range(0..2);
            // One name is one bucket.
            let rate = if names[0] == names[1] { rates[0] } else { rates[which] };
            Limit::new(route, rate).in_bucket(&names[which])
        });
        sandbox.set_limits(limits.to_vec());
        let rest_of_the_windows = async || {
            for _ in 0..10 {
                tick(&time, &rest, SECOND / 4).await;
            }
        };
        let before = sandbox.stats().rate_limited;
        for route in [POST, GET, MEMBER] {
            let mut callers = JoinSet::new();
            callers.spawn(ask(route));
            assert!(all(&time, &rest, SECOND / 20, callers).await.iter().all(Result::is_ok));
        }
        rest_of_the_windows().await;
        let learned = sandbox.stats().rate_limited;
        let mut routes = [POST, GET, MEMBER].repeat(8);
        routes.shuffle(&mut rng);
        let mut callers = JoinSet::new();
        asked += 3 + routes.len();
        routes.into_iter().for_each(|route| {
            callers.spawn(ask(route));
        });
        assert!(all(&time, &rest, SECOND / 20, callers).await.iter().all(Result::is_ok), "round {round}");
        let after = sandbox.stats().rate_limited;
        learning += learned - before;
        bursts += after - learned;
        rest_of_the_windows().await;
    }
    let status = rest.status();
    println!(
        "R6 sandbox: seed={seed} changes={ROUNDS} requests={asked} 429s_while_learning={learning} 429s_after={bursts} routes={} buckets={}",
        status.routes, status.buckets
    );
    assert_eq!(bursts, 0, "seed {seed}: something of the buckets before was left");
    assert!(learning <= ROUNDS as u64, "{learning}");
    assert_eq!(status.routes, 3, "a route is kept once however often its bucket changes");
    assert_eq!((status.in_flight, status.waiting), (0, [0; 4]));
}

/// R7: four times as much as Discord allows, counted by somebody else, and interactions besides.
#[tokio::test(start_paused = true)]
async fn two_hundred_a_second_bring_no_429_from_the_stand_in_and_interactions_pass_them() {
    const TICK: Duration = Duration::from_millis(5);
    const ASKED: u64 = 800;
    let seed = sandbox::seed("R7");
    let mut rng = StdRng::seed_from_u64(seed);
    let wide = Rate { requests: 10_000, window_ms: 1_000 };
    let (sandbox, rest) = begin(seed, patient(120), |config| (config.global_per_second, config.bucket) = (50, wide));
    let time = VirtualTime::of(&sandbox);
    let (channel, begun) = (ChannelId::new(sandbox.general_id()), Instant::now());
    let (mut reads, mut interactions) = (JoinSet::new(), JoinSet::new());
    let (mut sent, mut slowest, mut answered) = (Vec::new(), Duration::ZERO, 0);
    for number in 1.. {
        if number <= ASKED {
            let rest = rest.clone();
            reads.spawn(async move { rest.get_channel(channel, Send::default()).await.map(|_| ()) });
        }
        if !reads.is_empty() && rng.random_ratio(1, 10) {
            let rest = rest.clone();
            interactions.spawn(async move {
                let (asked, acknowledge) = (Instant::now(), CreateInteractionResponse::Acknowledge);
                // Nobody knows of it: it is refused, which takes as long as any other answer.
                let done = rest.respond(InteractionId::new(number), "tok", acknowledge, Send::interaction()).await;
                assert!(matches!(done, Err(RestError::NotFound { code: 10062, .. })), "{done:?}");
                asked.elapsed()
            });
        }
        tick(&time, &rest, TICK).await;
        let count = usize::try_from(sandbox.stats().requests_by_route.get(GET).copied().unwrap_or_default()).unwrap();
        sent.resize(count, begun.elapsed());
        while let Some(done) = reads.try_join_next() {
            assert_eq!(done.unwrap(), Ok(()));
        }
        while let Some(took) = interactions.try_join_next() {
            slowest = slowest.max(took.unwrap());
            answered += 1;
        }
        if number > ASKED && reads.is_empty() && interactions.is_empty() {
            break;
        }
    }
    let (most, took, limited) = (most_in_a_second(&sent), begun.elapsed(), sandbox.stats().rate_limited_by_scope);
    println!(
        "R7 sandbox: seed={seed} load=200/s reads={} max_per_1_s_window={most} took_s={:.1} interactions={answered} slowest_interaction_ms={} 429s={limited:?}",
        sent.len(),
        took.as_secs_f64(),
        slowest.as_millis()
    );
    assert!(limited.is_empty(), "{limited:?}");
    assert!(sent.len() as u64 == ASKED && most == 50, "all of what is allowed, and no more: {most}");
    assert!(took < Duration::from_secs(ASKED / 50 + 1), "{took:?}");
    assert!(answered > 50 && slowest <= 2 * TICK, "{answered}, {slowest:?}");
}

/// R12: nothing but 403s, until the cause is gone. What must not come is the page that stands in front of Discord for an
/// address with 10,000 of them in ten minutes.
#[tokio::test(start_paused = true)]
async fn nothing_but_403s_from_the_stand_in_end_in_silence_and_probes_until_one_succeeds() {
    let seed = sandbox::seed("R12");
    let mut rng = StdRng::seed_from_u64(seed);
    let (sandbox, rest) = begin(seed, patient(15), |config| config.invalid_max = 10_000);
    let time = VirtualTime::of(&sandbox);
    let body = r#"{"code":50007,"message":"Cannot send messages to this user"}"#.to_owned();
    sandbox.fault(Fault::RestStatus { route: POST.to_owned(), status: 403, body, times: u32::MAX });
    let posts = || sandbox.stats().requests_by_route.get(POST).copied().unwrap_or_default();
    let (mut tries, mut opened, mut probes, mut worst) = (0_u64, None, Vec::new(), 0);
    // The probes are due 60, 180, 420 and 900 s after it falls silent; the cause goes between the last two.
    let mended = Duration::from_secs(rng.random_range(440..880));
    let begun = Instant::now();
    let closed = loop {
        let before = posts();
        let mut callers = JoinSet::new();
        for channel in 1..=50 {
            let rest = rest.clone();
            callers.spawn(async move { post(&rest, channel, "x").await });
            tries += 1;
        }
        time.until("the answers", || {
            while callers.try_join_next().is_some() {}
            callers.is_empty()
        })
        .await;
        worst = worst.max(sandbox.invalid_requests());
        let silent = rest.status().breaker_silence_ms > 0;
        match opened {
            None if silent => opened = Some(begun.elapsed()),
            None => {}
            Some(at) if posts() > before => probes.push((begun.elapsed() - at).as_secs()),
            Some(_) => {}
        }
        if opened.is_some_and(|at| begun.elapsed() - at > mended) {
            sandbox.fault(Fault::Clear);
        }
        if opened.is_some() && !silent && probes.len() > 3 {
            break begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(2_000), "{probes:?}");
        time.pass(SECOND).await;
    };
    let opened = opened.unwrap();
    assert_eq!(post(&rest, sandbox.general_id(), "x").await, Ok(()));
    println!(
        "R12 sandbox: seed={seed} tries={tries} 403s_in_10_min_max={worst} silent_after_s={} probes_after_s={probes:?} mended_after_s={} open_again_after_s={} (ban at 10000)",
        opened.as_secs(),
        mended.as_secs(),
        (closed - opened).as_secs()
    );
    assert!(tries > 40_000 && (5_000..=5_053).contains(&worst), "{tries} {worst}");
    assert!(matches!(probes[..], [60..=61, 180..=182, 420..=423, 900..=904]), "{probes:?}");
    assert_eq!(sandbox.stats().rate_limited, 0, "no ban");
}

/// R14: what Discord's clock says of the time of day is an hour off, one way or the other.
#[tokio::test(start_paused = true)]
async fn a_stand_in_whose_clock_differs_by_an_hour_changes_nothing() {
    const POSTS: u32 = 100;
    let seed = sandbox::seed("R14");
    let mut all_took = Vec::new();
    for skew_s in [-3_600, 0, 3_600] {
        let rate = Rate { requests: 5, window_ms: 5_000 };
        let (sandbox, rest) = begin(seed, patient(600), |config| config.message_bucket = rate);
        let time = VirtualTime::of(&sandbox);
        sandbox.fault(Fault::ClockSkew { millis: skew_s * 1_000 });
        let (channel, begun) = (sandbox.general_id(), Instant::now());
        let mut callers = JoinSet::new();
        for number in 0..POSTS {
            let rest = rest.clone();
            callers.spawn(async move { post(&rest, channel, &number.to_string()).await });
        }
        let done = all(&time, &rest, SECOND / 20, callers).await;
        let (took, limited) = (begun.elapsed(), sandbox.stats().rate_limited);
        let kept: Vec<String> = sandbox.bot_messages().into_iter().map(|message| message.content).collect();
        let order_kept = kept == (0..POSTS).map(|number| number.to_string()).collect::<Vec<_>>();
        println!(
            "R14 sandbox: seed={seed} skew_s={skew_s} 429s={limited} order_kept={order_kept} took_ms={}",
            took.as_millis()
        );
        assert!(done.iter().all(Result::is_ok) && limited == 0 && order_kept);
        assert!(took < Duration::from_secs(u64::from(POSTS) + 10), "{took:?}");
        all_took.push(took);
    }
    assert!(all_took.iter().all(|took| *took == all_took[0]), "{all_took:?}");
}
