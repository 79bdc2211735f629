//! Completion and inspection of a magic's arguments, from what its specification declares.

use std::ops::Range;

use super::argument::{Candidates, Count, Declared, Extent};
use super::words::{Word, words_so_far};
use crate::magics::spec::Spec;
use crate::workspace::Workspace;

/// What completes the arguments that begin at `from`, with the cursor behind what was typed of them: the bytes of the
/// cell that a candidate replaces, and the candidates, best first.
pub fn complete(
    spec: &Spec,
    cell: &str,
    from: usize,
    cursor: usize,
    workspace: &Workspace,
) -> (Range<usize>, Vec<String>) {
    let mut words = words_so_far(cell, from..cursor);
    let current = words.pop_if(|word| word.span.end == cursor);
    let typed = current.as_ref().map_or(cursor, |word| word.span.start)..cursor;
    let text = &cell[typed.clone()];
    if let Some((name, value)) = text.split_once('=').filter(|(name, _)| name.starts_with("--")) {
        let found = find(spec, name).map(|option| option.candidates(value, workspace)).unwrap_or_default();
        return replacing(cursor - value.len()..cursor, found);
    }
    if text.starts_with('-') {
        let is_new = |option: &&&dyn Declared| words.iter().all(|word| word.text != option.name());
        let names = spec.options.iter().filter(is_new).map(|option| option.name()).chain(["--help"]);
        return replacing(typed, Candidates::matching(text, names));
    }
    let last = words.last().filter(|word| word.is_option()).and_then(|word| find(spec, &word.text));
    if let Some(option) = last.filter(|option| option.extent() != Extent::Nothing) {
        return replacing(typed, option.candidates(text, workspace));
    }
    let positional = positional(spec, &words);
    let (slots, start) = slots(spec, &positional, typed.start, workspace);
    let mut found = Candidates::default();
    for slot in slots {
        let more = slot.candidates(&cell[start..cursor], workspace);
        found.kept = found.kept.max(more.kept);
        found.names.extend(more.names.into_iter().filter(|name| !found.names.contains(name)).collect::<Vec<_>>());
    }
    replacing(start..cursor, found)
}

/// The argument at a place in the cell, as one line of text: an option's name or its value.
pub fn inspect(spec: &Spec, cell: &str, from: usize, cursor: usize) -> Option<String> {
    let end = cell[cursor..].find(['\n', ' ']).map_or(cell.len(), |length| cursor + length);
    let words = words_so_far(cell, from..end);
    let at = words.iter().position(|word| word.span.start <= cursor && cursor <= word.span.end)?;
    let named = |word: &Word| find(spec, word.text.split('=').next().unwrap_or_default());
    let before = at.checked_sub(1).and_then(|before| words.get(before)).filter(|word| word.is_option());
    let valued = || before.and_then(named).filter(|option| option.extent() != Extent::Nothing);
    let option = named(&words[at]).or_else(valued)?;
    let takes = match option.extent() {
        Extent::Nothing => String::new(),
        _ => format!("\n\nIt takes {}.", option.expected()),
    };
    Some(format!("{}: {}{takes}", option.label(), option.help()))
}

fn replacing(span: Range<usize>, found: Candidates) -> (Range<usize>, Vec<String>) {
    (span.start + found.kept..span.end, found.names)
}

fn find(spec: &Spec, name: &str) -> Option<&'static dyn Declared> {
    spec.options.iter().copied().find(|option| option.name() == name)
}

/// The words that are neither options nor their values.
fn positional(spec: &Spec, words: &[Word]) -> Vec<Word> {
    let mut found = Vec::new();
    let mut is_value = false;
    for word in words {
        if word.is_option() {
            let option = find(spec, &word.text);
            is_value = option.is_some_and(|option| option.extent() != Extent::Nothing);
        } else if !std::mem::take(&mut is_value) {
            found.push(word.clone());
        }
    }
    found
}

/// The arguments that the word at the cursor may be, and where their text begins.
fn slots(
    spec: &Spec,
    words: &[Word],
    cursor_word: usize,
    workspace: &Workspace,
) -> (Vec<&'static dyn Declared>, usize) {
    let mut words = words.iter().peekable();
    let mut slots: Vec<&'static dyn Declared> = Vec::new();
    for (at, argument) in spec.arguments.iter().copied().enumerate() {
        let first = words.peek().copied();
        match (argument.extent(), argument.count(), first) {
            (Extent::Rest, _, first) => {
                slots.push(argument);
                return (slots, first.map_or(cursor_word, |word| word.span.start));
            }
            (_, Count::Optional, Some(word)) => {
                let next_claims = spec.arguments.get(at + 1);
                let next_claims = next_claims.is_some_and(|next| next.claims(&word.text, false, workspace));
                if argument.takes_word(&word.text, next_claims, workspace) {
                    words.next();
                }
            }
            (_, Count::Required, Some(_)) => {
                words.next();
            }
            // The next word may be one more of these, or the argument behind them.
            (_, Count::Several | Count::Any, _) => {
                words.by_ref().for_each(drop);
                slots.push(argument);
            }
            (_, Count::Optional, None) => slots.push(argument),
            (_, Count::Required, None) => {
                slots.push(argument);
                break;
            }
        }
    }
    (slots, cursor_word)
}
