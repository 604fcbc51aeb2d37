use super::*;
use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::Method;

fn place(priority: Priority, route: &str, order: Option<&str>) -> Place {
    Place {
        priority,
        order: order.map(Into::into),
        route: LaneKey { method: Method::POST, path: route.into() },
        exempt: false,
        deadline: Instant::now() + Duration::from_secs(3600),
    }
}

fn ordered(priority: Priority, route: &str) -> Place {
    place(priority, route, Some(route))
}

fn exempt(priority: Priority, route: &str) -> Place {
    Place { exempt: true, ..ordered(priority, route) }
}

/// The tickets that go, and when time brings more.
fn going(line: &mut Line, now: Instant) -> (Vec<Ticket>, Option<Instant>) {
    let (done, wake) = line.turns(now);
    (
        done.into_iter().filter(|(_, outcome)| matches!(outcome, Outcome::Go(_))).map(|(ticket, _)| ticket).collect(),
        wake,
    )
}

fn shares(line: &mut Line, now: Instant) -> Vec<(Ticket, Share)> {
    let done = line.turns(now).0.into_iter();
    done.filter_map(|(ticket, outcome)| if let Outcome::Go(share) = outcome { Some((ticket, share)) } else { None })
        .collect()
}

fn state(remaining: u32, reset_at: Instant) -> Told {
    Told::State { id: "b".to_owned(), limit: 5, remaining, reset_at }
}

#[test]
fn the_urgent_overtake_and_equals_keep_their_order() {
    let now = Instant::now();
    let mut line = Line::new(50);
    let join = |line: &mut Line, priority| line.join(ordered(priority, "a")).unwrap();
    let first = join(&mut line, Priority::Normal);
    let (mut last, mut share) = shares(&mut line, now).pop().unwrap();
    assert_eq!(last, first);
    let late = join(&mut line, Priority::Background);
    let second = join(&mut line, Priority::Normal);
    let third = join(&mut line, Priority::Normal);
    let urgent = join(&mut line, Priority::Moderation);
    let mut order = Vec::new();
    let route = ordered(Priority::Normal, "a").route;
    for _ in 0..4 {
        line.settle(now, &route, &share, Told::Nothing);
        assert!(going(&mut line, now).0.is_empty(), "an order is for one at a time");
        line.leave(last, Some("a"));
        let mut granted = shares(&mut line, now);
        assert_eq!(granted.len(), 1);
        (last, share) = granted.pop().unwrap();
        order.push(last);
    }
    assert_eq!(order, [urgent, second, third, late]);
    line.leave(last, Some("a"));
    assert!(line.orders.is_empty() && line.waiting.is_empty());
}

#[test]
fn who_comes_back_goes_before_all_that_came_later() {
    let now = Instant::now();
    let mut line = Line::new(50);
    let first = line.join(ordered(Priority::Normal, "a")).unwrap();
    let second = line.join(ordered(Priority::Normal, "a")).unwrap();
    let (ticket, share) = shares(&mut line, now).pop().unwrap();
    assert_eq!(ticket, first);
    line.settle(now, &ordered(Priority::Normal, "a").route, &share, Told::Nothing);
    assert!(going(&mut line, now).0.is_empty(), "the second overtook one that waits to be repeated");
    line.rejoin(first, ordered(Priority::Normal, "a"));
    let (ticket, share) = shares(&mut line, now).pop().unwrap();
    assert_eq!(ticket, first);
    line.settle(now, &ordered(Priority::Normal, "a").route, &share, Told::Nothing);
    line.leave(first, Some("a"));
    assert_eq!(going(&mut line, now).0, [second]);
}

#[test]
fn exempt_requests_pass_an_exhausted_budget() {
    let now = Instant::now();
    let mut line = Line::new(1);
    line.join(ordered(Priority::Normal, "1")).unwrap();
    let held = line.join(ordered(Priority::Moderation, "2")).unwrap();
    let first = line.join(exempt(Priority::Interaction, "3")).unwrap();
    assert_eq!(going(&mut line, now), (vec![first, held], Some(now + SECOND)), "moderation takes the only budget");
    assert_eq!(line.waiting.len(), 1);
}

#[test]
fn who_waits_beyond_the_deadline_is_told_as_soon_as_it_is_known() {
    let now = Instant::now();
    let mut line = Line::new(50);
    let near = Place { deadline: now + SECOND, ..ordered(Priority::Normal, "a") };
    let first = line.join(ordered(Priority::Normal, "a")).unwrap();
    let (_, share) = shares(&mut line, now).pop().unwrap();
    let (second, third) = (line.join(near.clone()).unwrap(), line.join(near.clone()).unwrap());
    let until = now + Duration::from_secs(1337);
    line.settle(now, &near.route, &share, Told::Exhausted { id: None, until });
    line.leave(first, Some("a"));
    let (done, _) = line.turns(now);
    let late = done.iter().map(|(ticket, outcome)| match outcome {
        Outcome::TooLate(wait) => (*ticket, wait.as_secs()),
        Outcome::Go(_) => panic!("it went"),
    });
    assert_eq!(late.collect::<Vec<_>>(), [(second, 1337), (third, 1337)]);
}

#[test]
fn what_needs_no_order_goes_side_by_side_as_far_as_the_bucket_has_room() {
    let now = Instant::now();
    let mut line = Line::new(50);
    for target in 0..20 {
        line.join(place(Priority::Moderation, "guilds/1/bans/{id}", Some(&format!("guilds/1/bans/{target}")))).unwrap();
    }
    let mut pioneer = shares(&mut line, now);
    assert_eq!(pioneer.len(), 1, "an unknown bucket is for one pioneer");
    let (_, share) = pioneer.pop().unwrap();
    let route = place(Priority::Moderation, "guilds/1/bans/{id}", None).route;
    line.settle(now, &route, &share, state(4, now + 5 * SECOND));
    assert_eq!(going(&mut line, now).0.len(), 4);
    assert_eq!(going(&mut line, now + 5 * SECOND).0.len(), 1, "4 of 5 may still count in the new window");
}

#[test]
fn no_second_ever_holds_more_than_the_budget_and_nothing_piles_up() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let start = Instant::now();
    let mut line = Line::new(50);
    let (mut keys, mut running, mut sent) = (HashMap::new(), Vec::new(), Vec::new());
    for tick in 0..20_000_u64 {
        let now = start + Duration::from_millis(tick);
        if dice.random_bool(0.2) {
            let key = dice.random_range(0..2_000_u32).to_string();
            let ticket = line.join(ordered(Priority::Normal, &key)).unwrap();
            keys.insert(ticket, key);
        }
        for (ticket, share) in shares(&mut line, now) {
            sent.push(now);
            running.push((ticket, share));
        }
        if dice.random_bool(0.5) && !running.is_empty() {
            let (ticket, share) = running.swap_remove(0);
            line.settle(now, &ordered(Priority::Normal, &keys[&ticket]).route, &share, Told::Nothing);
            line.leave(ticket, Some(&keys[&ticket]));
        }
    }
    for (at, &first) in sent.iter().enumerate() {
        let within = sent[at..].iter().take_while(|&&other| other - first < SECOND).count();
        assert!(within <= 50, "{within} in one second, seed {seed}");
    }
    assert!(sent.len() > 900, "only {} went out, seed {seed}", sent.len());
    assert!(line.orders.len() <= running.len() + line.waiting.len(), "orders leak, seed {seed}");
    assert_eq!(line.counts.iter().sum::<usize>(), line.waiting.len());
}

#[test]
fn thousands_that_wait_for_one_bucket_cost_little() {
    let start = Instant::now();
    let mut line = Line::new(50);
    let route = place(Priority::Normal, "guilds/1/bans/{id}", None).route;
    for target in 0..=WAITING_MAX {
        let order = format!("guilds/1/bans/{target}");
        let ticket = line.join(place(Priority::Normal, "guilds/1/bans/{id}", Some(&order))).unwrap();
        if let (Some(Outcome::Go(share)), _) = line.turn_of(start, ticket) {
            line.settle(start, &route, &share, state(4, start + 5 * SECOND));
        }
    }
    while line.join(place(Priority::Background, "guilds/1/bans/{id}", None)).is_some() {}
    assert!(line.join(place(Priority::Interaction, "x", None)).is_none(), "the line has no end");
    // The first went at once; it is answered, and so are those after it, 5 in 5 s.
    let joined = start.elapsed();
    let mut passes = 0;
    for window in 0..40_u32 {
        let now = start + 5 * SECOND * window;
        for (_, share) in shares(&mut line, now) {
            line.settle(now, &route, &share, state(0, now + 5 * SECOND));
            going(&mut line, now);
            passes += 1;
        }
    }
    let each = (start.elapsed() - joined) / (passes + 40);
    println!(
        "line: {WAITING_MAX} joined one bucket in {joined:?}; each pass over them takes {each:?} (without optimisation)"
    );
    assert!(joined < 20 * SECOND && each < SECOND / 5 && passes > 40);
}
