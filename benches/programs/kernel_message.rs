//! What supervision adds to a message: sending to and handling in a bare ractor actor, and through `supervision::Addr`,
//! in turn in the same run. A tokio channel is there for scale.
//!
//! `cargo bench -p benches --bench kernel_message -- [--runs N] [--messages N]`

use benches::{
    Failure,
    figures::{median, spread},
    option, scale,
    usage::pin,
};
use ractor::{ActorProcessingErr, ActorRef};
use std::{sync::Arc, time::Instant};
use supervision::{Actor, Addr, ChildSpec, Ctx, Flags, Message, NoObserver, Planes, Reply, Strategy, Tree};
use tokio::sync::{mpsc, oneshot};

/// Messages sent before the sender waits until they have been handled: mailboxes are bounded.
const BATCH: usize = 256;

/// The message: as large as an ordinary one.
enum Say {
    Add([u64; 4]),
    Sum(Reply<u64>),
}

impl Message for Say {
    fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "add",
            Self::Sum(_) => "sum",
        }
    }
}

#[derive(Default)]
struct Ours(u64);

impl Actor for Ours {
    type Msg = Say;

    async fn handle(&mut self, say: Say, _: &Ctx<Self>) -> Result<(), supervision::Failure> {
        match say {
            Say::Add(numbers) => self.0 = self.0.wrapping_add(numbers[0]),
            Say::Sum(reply) => reply.send(self.0),
        }
        Ok(())
    }
}

struct Bare;

enum BareSay {
    Add([u64; 4]),
    Sum(oneshot::Sender<u64>),
}

impl ractor::Actor for Bare {
    type Msg = BareSay;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<BareSay>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(&self, _: ActorRef<BareSay>, say: BareSay, sum: &mut u64) -> Result<(), ActorProcessingErr> {
        match say {
            BareSay::Add(numbers) => *sum = sum.wrapping_add(numbers[0]),
            BareSay::Sum(reply) => drop(reply.send(*sum)),
        }
        Ok(())
    }
}

fn main() -> Result<(), Failure> {
    pin(0);
    let runs = option("--runs").unwrap_or_else(|| scale(9, 2));
    let messages = option("--messages").unwrap_or_else(|| scale(1_000_000, 2_000));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(runs, messages))
}

async fn measure(runs: usize, messages: usize) -> Result<(), Failure> {
    let (sender, mut receiver) = mpsc::channel::<BareSay>(1024);
    tokio::spawn(async move {
        let mut sum = 0_u64;
        while let Some(say) = receiver.recv().await {
            match say {
                BareSay::Add(numbers) => sum = sum.wrapping_add(numbers[0]),
                BareSay::Sum(reply) => drop(reply.send(sum)),
            }
        }
    });
    let (bare, _handle) = ractor::Actor::spawn(None, Bare, ()).await?;
    let ours: Addr<Say> = Addr::new("ours", 1024);
    let flags = Flags::new(Strategy::OneForOne);
    let child = ChildSpec::worker(&ours, Ours::default);
    let tree = Tree::start(Planes::single(), flags, vec![child], Arc::new(NoObserver))
        .await
        .map_err(|exit| exit.to_string())?;
    tree.started().await.map_err(|exit| exit.to_string())?;

    let (mut channel_ns, mut bare_ns, mut ours_ns, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let each = |begun: Instant| begun.elapsed().as_secs_f64() * 1e9 / messages as f64;
    for _ in 0..runs {
        let begun = Instant::now();
        for _ in 0..messages / BATCH {
            for n in 0..BATCH {
                sender.send(BareSay::Add([n as u64; 4])).await?;
            }
            let (reply, sum) = oneshot::channel();
            sender.send(BareSay::Sum(reply)).await?;
            std::hint::black_box(sum.await?);
        }
        channel_ns.push(each(begun));

        let begun = Instant::now();
        for _ in 0..messages / BATCH {
            for n in 0..BATCH {
                bare.cast(BareSay::Add([n as u64; 4]))?;
            }
            let (reply, sum) = oneshot::channel();
            bare.cast(BareSay::Sum(reply))?;
            std::hint::black_box(sum.await?);
        }
        bare_ns.push(each(begun));

        let begun = Instant::now();
        for _ in 0..messages / BATCH {
            for n in 0..BATCH {
                ours.send(Say::Add([n as u64; 4])).await.map_err(|error| error.to_string())?;
            }
            let (reply, sum) = Reply::channel();
            ours.send(Say::Sum(reply)).await.map_err(|error| error.to_string())?;
            std::hint::black_box(sum.await?);
        }
        ours_ns.push(each(begun));
        ratios.push(ours_ns[ours_ns.len() - 1] / bare_ns[bare_ns.len() - 1]);
    }
    println!("{runs} runs of {messages} messages, sent and handled on one core, {BATCH} at a time; ns per message");
    println!("tokio channel and task   {}", spread(&channel_ns, 0));
    println!("bare ractor actor        {}", spread(&bare_ns, 0));
    println!("supervised actor         {}", spread(&ours_ns, 0));
    println!("supervised / bare        {}", spread(&ratios, 2));
    println!("supervision adds         {:.0} ns per message", median(&ours_ns) - median(&bare_ns));
    tree.shutdown(None);
    tree.ended().await;
    bare.stop(None);
    Ok(())
}
