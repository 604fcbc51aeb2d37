//! X5: a bot above the soft mark of its memory.

use crate::{
    harness::{Home, assert_answers, discord, until},
    probes::{address, get},
};

/// Its caches cannot help here, as it keeps no members; it says what is wrong, is ready and answers all the same.
#[test]
fn x5_above_the_soft_mark_it_says_so_and_goes_on() {
    let discord = discord();
    let home = Home::new(&discord).set("memory.soft_mb = 1").set("telemetry.listen = \"127.0.0.1:0\"");
    let bot = home.run();
    bot.log.wait_message(" is ready: "); // `status` itself never finds all well
    assert_answers(&discord);
    let said = until("it is told", || {
        let status = bot.cli(&["--json", "status"]).json();
        let degraded = status["degraded"].as_array().unwrap().clone();
        let said = degraded
            .iter()
            .filter_map(|said| said.as_str())
            .find(|said| said.contains("there is no cache that could shrink"))?;
        Some((said.to_owned(), status["ready"].clone()))
    });
    assert!(said.0.starts_with("memory is short: ") && said.0.contains("the soft mark is 1 MiB"), "{}", said.0);
    assert!(said.0.contains("members are not asked for") && said.0.contains("[memory].soft_mb"), "{}", said.0);
    assert_eq!(said.1, true, "a bot that answers is ready");
    bot.log.wait("it is logged", |record| {
        let said = record["message"].as_str().unwrap_or_default();
        record["level"] == "warn" && said.starts_with("memory is short: ") && said.ends_with(": nothing is cached yet")
    });
    let metrics = get(&address(&bot), "/metrics").1;
    let reading = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(&format!("{name}{{")));
        let line = line.unwrap_or_else(|| panic!("no {name} in {metrics}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert_eq!(reading("impresario_memory_soft_bytes"), 1_048_576.0);
    assert_eq!(reading("impresario_memory_short"), 1.0);
    assert!(reading("impresario_memory_resident_bytes") > 1_048_576.0);
    assert!(reading("impresario_memory_relieved_total") >= 1.0);
    assert_answers(&discord);
    assert_eq!(bot.terminate(), 0);
}
