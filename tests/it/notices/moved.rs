//! Firings that calendars move.

use jiff::civil::{Date, Weekday};
use jiff::{Timestamp, ToSpan};

use super::{apply, arrived, declare, history, staffed, tick};

/// The Sunday of the next year on which clocks in New York are put forward at two.
fn change() -> Date {
    let year = Timestamp::now().strftime("%Y").to_string();
    let march = Date::new(year.parse::<i16>().unwrap() + 1, 3, 1).unwrap();
    march.nth_weekday_of_month(2, Weekday::Sunday).unwrap()
}

#[test]
fn what_is_moved_to_a_time_that_clocks_skip_there_is_skipped_and_says_so() {
    let project = staffed();
    let sunday = change();
    let (monday, tuesday) = (sunday + 1.days(), sunday + 2.days());
    declare(
        &project,
        &[&format!(
            "calendars: {{ odd: {{ weekend: [mon], covers: {} }} }}
recurring_notices:
  review:
    to: [room]
    schedule: {{ cron: \"30 2 * * MON\", timezone: America/New_York, gap: skip, start: {sunday}, calendar: odd, days: workdays, off_days: previous }}
    message: {{ text: Hello }}
",
            sunday + 400.days()
        )],
    );
    apply(&project);
    tick(&project, &format!("{sunday}T12:00:00Z")).exits(0);
    tick(&project, &format!("{tuesday}T00:00:00Z")).exits(0);
    let reason = format!("moved to {sunday}, where clocks are put forward over its time");
    assert_eq!(history(&project), [format!("skipped {reason}")]);
    assert_eq!(arrived(&project), Vec::<String>::new());
    let shown = project.beadle(&["notice", "history"]).exits(0);
    assert!(
        shown.stdout.contains(&format!("{monday}T06:30:00Z")),
        "{}",
        shown.stdout
    );
    let simulated = project.beadle(&[
        "simulate",
        "--from",
        &sunday.to_string(),
        "--to",
        &tuesday.to_string(),
        "--format",
        "json",
    ]);
    let simulated = simulated.exits(0).json();
    assert_eq!(
        simulated["occurrences"][0]["reason"], reason,
        "{simulated:#}"
    );
}
