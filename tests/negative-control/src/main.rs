//! OTP's supervisor suite against this project's kernel and against ractor-supervisor 0.2.0, with a score for each. It
//! ends with an error unless the kernel passes every case and the library fails those that it is known to fail.

#[path = "../../../actors/supervision/tests/otp/kernel.rs"]
mod kernel;
mod library;
#[path = "../../../actors/supervision/tests/otp/suite/mod.rs"]
mod suite;

use std::process::ExitCode;
use suite::runner::{self, Case, Outcome};

/// A case, for the one and for the other.
struct Row {
    group: &'static str,
    name: &'static str,
    kernel: Case,
    library: Case,
}

macro_rules! table {
    ($($group:ident: $($case:ident),+;)+) => {
        [$($(Row {
            group: stringify!($group),
            name: stringify!($case),
            kernel: || Box::pin(suite::$group::$case::<kernel::Kernel>()),
            library: || Box::pin(suite::$group::$case::<library::Library>()),
        },)+)+]
    };
}

/// The cases that the library is known to fail, and why.
const KNOWN: [(&str, &str); 15] = [
    ("child_adm_simple", R1),
    ("sup_start_child_returns_error_simple", R2),
    ("hanging_restart_loop_simple", R3),
    ("temporary_bystander", R4),
    ("transient_abnormal", R5),
    ("one_for_all", R6),
    ("order_of_children", R7),
    ("one_for_all_other_child_fails_restart", R7),
    ("scale_start_stop_many_children", R7),
    ("sup_start_fail", R8),
    ("faulty_application_shutdown", R8),
    ("one_for_all_escalation", R8),
    ("temporary_normal", R9),
    ("temporary_shutdown", R9),
    ("temporary_abnormal", R9),
];
const R1: &str = "R1: a second child of a name is taken, and the clash of names ends the supervisor";
const R2: &str = "R2: a child that did not start is answered as started";
const R3: &str = "R3: a child that is being restarted cannot be terminated";
const R4: &str = "R4: a strategy restarts a temporary sibling";
const R5: &str = "R5: a kill counts as a normal end";
const R6: &str = "R6: siblings are killed and not waited for: 10 ms later their names are taken";
const R7: &str = "R7: children are killed, never asked to stop, and in no order";
const R8: &str = "R8: a child that does not start neither ends the start nor keeps those after it from starting";
const R9: &str = "R9: the specification of a temporary child is kept";

#[derive(Default)]
struct Score {
    pass: usize,
    fail: usize,
    not_offered: usize,
}

impl Score {
    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Pass => self.pass += 1,
            Outcome::Fail(_) => self.fail += 1,
            Outcome::NotOffered(_) => self.not_offered += 1,
        }
    }

    fn print(&self, whose: &str) {
        println!("{whose}: {} pass, {} fail, {} not offered", self.pass, self.fail, self.not_offered);
    }
}

/// How often a case that the library is known to fail is tried again when it has passed.
const RACES_MAX: u32 = 50;

fn main() -> ExitCode {
    // What the cases crash on purpose is no news; what they find is printed below.
    std::panic::set_hook(Box::new(|_| {}));
    let (mut ours, mut theirs) = (Score::default(), Score::default());
    let mut surprises = Vec::new();
    for row in suite::for_each_case!(table) {
        let known = KNOWN.iter().find(|(name, _)| *name == row.name);
        let (kernel, mut library) = (runner::run(row.name, row.kernel), runner::run(row.name, row.library));
        // Some of what is known of it are races, which it may win once.
        let mut again = known.map_or(0, |_| RACES_MAX);
        while library == Outcome::Pass && again > 0 {
            again -= 1;
            library = runner::run(row.name, row.library);
        }
        ours.count(&kernel);
        theirs.count(&library);
        println!("{:15} {:55} {:12} {}", row.group, row.name, said(&kernel), said(&library));
        if kernel != Outcome::Pass {
            surprises.push(format!("the kernel, {}: {kernel:?}", row.name));
        }
        match (&library, known) {
            (Outcome::Fail(how), Some((_, why))) => println!("{:15} {why}\n{:15} {}", "", "", first_line(how)),
            (Outcome::Fail(how), None) => surprises.push(format!("the library, {}: fails: {how}", row.name)),
            (other, Some((_, why))) => surprises.push(format!("the library, {}: {other:?}, but {why}", row.name)),
            (_, None) => {}
        }
    }
    println!();
    ours.print("this project's kernel");
    theirs.print("ractor-supervisor 0.2.0");
    for surprise in &surprises {
        println!("not as expected: {surprise}");
    }
    if surprises.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Pass => "pass".to_owned(),
        Outcome::Fail(_) => "FAIL".to_owned(),
        Outcome::NotOffered(what) => format!("not offered: {what}"),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
