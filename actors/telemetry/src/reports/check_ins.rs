//! Check-ins of scheduled runs, in Sentry's words. The first one of a monitor makes the monitor.

use protocol::ports::{CheckIn, CheckInSchedule, CheckInStatus};
use sentry::{
    protocol::{MonitorCheckIn, MonitorCheckInStatus, MonitorConfig, MonitorIntervalUnit, MonitorSchedule},
    types::Uuid,
};

/// How many minutes late a run may be before it is missed: jitter and restarts are no misses.
const MARGIN_MIN: u64 = 5;

/// `check_in` as Sentry takes it.
pub(super) fn read(check_in: CheckIn, environment: Option<&str>) -> MonitorCheckIn {
    let (schedule, timezone) = match check_in.schedule {
        CheckInSchedule::Crontab { expression, zone } => (MonitorSchedule::Crontab { value: expression }, Some(zone)),
        CheckInSchedule::Minutes(value) => {
            (MonitorSchedule::Interval { value: value.max(1), unit: MonitorIntervalUnit::Minute }, None)
        }
    };
    MonitorCheckIn {
        check_in_id: Uuid::from_u128(check_in.id),
        monitor_slug: check_in.monitor,
        status: match check_in.status {
            CheckInStatus::InProgress => MonitorCheckInStatus::InProgress,
            CheckInStatus::Ok => MonitorCheckInStatus::Ok,
            CheckInStatus::Error => MonitorCheckInStatus::Error,
        },
        environment: environment.map(str::to_owned),
        duration: check_in.took.map(|took| took.as_secs_f64()),
        monitor_config: Some(MonitorConfig {
            schedule,
            checkin_margin: Some(MARGIN_MIN),
            max_runtime: Some(check_in.timeout.as_secs().div_ceil(60).max(1)),
            timezone,
            failure_issue_threshold: None,
            recovery_threshold: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_check_in_is_what_sentry_reads() {
        let check_in = |schedule, status, took| CheckIn {
            id: 7,
            monitor: "system-prune".to_owned(),
            status,
            took,
            schedule,
            timeout: Duration::from_secs(90),
        };
        let cron = CheckInSchedule::Crontab { expression: "30 4 * * *".to_owned(), zone: "Europe/Berlin".to_owned() };
        let begun = serde_json::to_value(read(check_in(cron, CheckInStatus::InProgress, None), Some("test"))).unwrap();
        assert_eq!(
            begun,
            serde_json::json!({
                "check_in_id": "00000000000000000000000000000007",
                "monitor_slug": "system-prune",
                "status": "in_progress",
                "environment": "test",
                "monitor_config": {
                    "schedule": { "type": "crontab", "value": "30 4 * * *" },
                    "checkin_margin": 5,
                    "max_runtime": 2,
                    "timezone": "Europe/Berlin",
                },
            })
        );
        let took = Some(Duration::from_millis(1_500));
        let over = read(check_in(CheckInSchedule::Minutes(0), CheckInStatus::Error, took), None);
        assert_eq!((over.status, over.duration), (MonitorCheckInStatus::Error, Some(1.5)));
        let shortest = MonitorSchedule::Interval { value: 1, unit: MonitorIntervalUnit::Minute };
        assert_eq!(over.monitor_config.unwrap().schedule, shortest);
    }
}
