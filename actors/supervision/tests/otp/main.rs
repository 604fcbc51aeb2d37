//! OTP's supervisor suite over live actors: one test for each case, under its name. docs/supervision.md says what is not
//! ported and why; `tests/negative-control` runs the same cases against another library.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod kernel;
mod suite;

use suite::runner::{self, Outcome};

macro_rules! tests {
    ($($group:ident: $($case:ident),+;)+) => {
        $(mod $group {
            $(#[test]
            fn $case() {
                super::must_pass(stringify!($case), || {
                    Box::pin(crate::suite::$group::$case::<crate::kernel::Kernel>())
                });
            })+
        })+
    };
}
suite::for_each_case!(tests);

fn must_pass(name: &str, case: runner::Case) {
    assert_eq!(runner::run(name, case), Outcome::Pass);
}
