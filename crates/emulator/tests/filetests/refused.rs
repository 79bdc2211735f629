//! `test refused`: the emulator says at once, by name and place, what it does not take.

use super::case::Command;
use super::{compare, emulate};

#[test]
fn refused() {
    let (count, mut wrong) = compare(Command::Refused, |case| {
        let lines = emulate::run(case);
        let is_refused = lines.iter().all(|line| line.starts_with("error ptx"));
        if is_refused { lines } else { vec![format!("it is not refused: {lines:?}")] }
    });
    wrong.sort();
    assert!(count > 1 && wrong.is_empty(), "{count} files\n{}", wrong.join("\n"));
}
