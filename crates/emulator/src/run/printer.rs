//! Printed text on its way out: in the order of the blocks, as it comes, and no more than a limit.

use std::collections::BTreeMap;

use crate::state::printed::{MOST_PRINTED, Printed};

/// Shows what blocks print. The first block that runs is heard at once; what later ones say waits for its end.
#[derive(Default)]
pub(super) struct Printer {
    /// The first block that has not ended.
    next: u64,
    waiting: BTreeMap<u64, Printed>,
    /// Bytes that have been shown.
    shown: usize,
    /// Bytes that were printed and not shown.
    dropped: u64,
}

impl Printer {
    /// Takes what a running block has printed so far, if it is that block's turn to be heard.
    pub fn running(&mut self, block: u64, printed: &mut Printed, print: &(dyn Fn(&str) + Sync)) {
        if block == self.next && (!printed.text.is_empty() || printed.dropped > 0) {
            self.show(std::mem::take(printed), print);
        }
    }

    /// A block has ended.
    pub fn finished(&mut self, block: u64, printed: Printed, print: &(dyn Fn(&str) + Sync)) {
        self.waiting.insert(block, printed);
        while let Some(printed) = self.waiting.remove(&self.next) {
            self.show(printed, print);
            self.next += 1;
        }
        self.shorten();
    }

    /// Shows text, up to the limit of a launch.
    pub fn show(&mut self, printed: Printed, print: &(dyn Fn(&str) + Sync)) {
        let Printed { text, dropped } = printed;
        let room = if self.dropped > 0 { 0 } else { MOST_PRINTED - self.shown };
        let shown = text.floor_char_boundary(room);
        if shown > 0 {
            print(&text[..shown]);
        }
        self.shown += shown;
        self.dropped += (text.len() - shown) as u64 + dropped;
    }

    /// Says how much was left out.
    pub fn end(&mut self, print: &(dyn Fn(&str) + Sync)) {
        for printed in std::mem::take(&mut self.waiting).into_values() {
            self.dropped += printed.text.len() as u64 + printed.dropped;
        }
        if self.dropped > 0 {
            print(&format!(
                "\n[{} more bytes of `printf` are not shown: a launch shows the first {MOST_PRINTED}]\n",
                self.dropped
            ));
        }
    }

    /// Forgets of the waiting text what comes behind the limit whatever earlier blocks still say.
    fn shorten(&mut self) {
        let mut room = MOST_PRINTED - self.shown;
        for printed in self.waiting.values_mut() {
            let kept = printed.text.floor_char_boundary(room);
            printed.dropped += (printed.text.len() - kept) as u64;
            printed.text.truncate(kept);
            room -= kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn printed(text: &str) -> Printed {
        let mut printed = Printed::default();
        printed.push(text);
        printed
    }

    fn shown(run: impl FnOnce(&mut Printer, &(dyn Fn(&str) + Sync))) -> String {
        let all = Mutex::new(String::new());
        let print = |text: &str| all.lock().expect("no panic").push_str(text);
        let mut printer = Printer::default();
        run(&mut printer, &print);
        printer.end(&print);
        all.into_inner().expect("no panic")
    }

    #[test]
    fn blocks_are_heard_in_order_and_the_first_at_once() {
        let text = shown(|printer, print| {
            printer.finished(1, printed("b"), print);
            let (mut first, mut third) = (printed("a1 "), printed("c1 "));
            printer.running(0, &mut first, print);
            printer.running(2, &mut third, print);
            assert_eq!((first.text.as_str(), third.text.as_str()), ("", "c1 "));
            first.push("a2 ");
            printer.finished(0, first, print);
            printer.running(2, &mut third, print);
            assert_eq!(third.text, "");
        });
        assert_eq!(text, "a1 a2 bc1 ");
    }

    #[test]
    fn what_is_beyond_the_limit_is_counted() {
        let line = "ü".repeat(500) + "\n";
        let lines = 3 * MOST_PRINTED / line.len();
        let endless = shown(|printer, print| {
            let mut block = Printed::default();
            for _ in 0..lines {
                block.push(&line);
                printer.running(0, &mut block, print);
                assert!(block.text.is_empty());
            }
        });
        // All at the end, and in parts of other blocks that end before the first.
        let late = shown(|printer, print| {
            for block in (0..lines as u64).rev() {
                printer.finished(block, printed(&line), print);
                assert!(printer.waiting.values().map(|printed| printed.text.len()).sum::<usize>() <= MOST_PRINTED);
            }
        });
        assert!(endless == late, "the same text, however it comes");
        let (text, note) = endless.rsplit_once("\n[").expect("a note");
        let dropped = lines * line.len() - text.len();
        assert!(text.len() <= MOST_PRINTED && text.len() > MOST_PRINTED - 4);
        assert!(note.starts_with(&format!("{dropped} more bytes of `printf` are not shown")), "{note}");
    }
}
