//! Opcodes: which forms of the ISA one is, and what is wrong with one that is none.

use super::agreement::join;
use crate::isa::forms::{Form, Group, Need, forms};
use crate::isa::{Modifier, Opcode, Word};

/// A form that an opcode may be, with everything that it needs.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub form: &'static Form,
    pub needs: Vec<&'static Need>,
}

/// What an opcode is.
pub(super) enum Found {
    /// The tables say nothing of it: the decoder refuses what it does not know.
    Unlisted,
    /// It may be each of these forms; its operands decide.
    Forms(Vec<Candidate>),
    /// It is no form of the ISA.
    Wrong(Wrong),
}

/// What is wrong with an opcode.
#[derive(Debug)]
pub(super) struct Wrong {
    pub message: String,
    /// The word of the opcode that is wrong, with its dot.
    pub word: Option<String>,
    pub help: Option<String>,
}

/// How an opcode compares with a form.
struct Comparison {
    candidate: Candidate,
    /// Words of the opcode that the form does not have.
    left: Vec<Modifier>,
    /// Groups of the form of which the opcode has no word.
    missing: Vec<&'static Group>,
}

/// The forms that an opcode may be.
pub(super) fn find(opcode: &Opcode) -> Found {
    let Some(mnemonic) = opcode.mnemonic() else { return Found::Unlisted };
    let forms = forms(mnemonic);
    if forms.is_empty() || opcode.words().iter().any(|word| matches!(word, Word::Unknown(_))) {
        return Found::Unlisted;
    }
    let comparisons: Vec<Comparison> = forms.iter().map(|form| compare(opcode, form)).collect();
    let fits = |comparison: &&Comparison| comparison.left.is_empty() && comparison.missing.is_empty();
    let candidates: Vec<Candidate> = comparisons.iter().filter(fits).map(|found| found.candidate.clone()).collect();
    if candidates.is_empty() { Found::Wrong(explain(opcode, &comparisons)) } else { Found::Forms(candidates) }
}

/// The order of other words than types and state spaces does not matter, as ptxas has it.
fn compare(opcode: &Opcode, form: &'static Form) -> Comparison {
    let mut used = vec![false; form.groups.len()];
    let mut needs = vec![&form.need];
    let mut left = Vec::new();
    // Types and state spaces stand for operands, in their order.
    let mut next = [0; 2];
    for (position, word) in opcode.modifiers().enumerate() {
        let order = if is_type(word) { Some(0) } else { is_space(word).then_some(1) };
        let from = order.map_or(0, |order| next[order]);
        let group = form.groups.iter().enumerate().skip(from).find_map(|(index, group)| {
            let (_, need) = group.words.iter().find(|(own, _)| !used[index] && *own == word)?;
            if group.is_first && position > 0 {
                return None;
            }
            Some((index, need))
        });
        let group = group.map(|(index, need)| {
            used[index] = true;
            if let Some(order) = order {
                next[order] = index + 1;
            }
            need
        });
        match group {
            Some(need) => needs.push(need),
            None => left.push(word),
        }
    }
    let missing = form.groups.iter().zip(used).filter(|(group, used)| !used && !group.is_optional);
    let missing = missing.map(|(group, _)| group).collect();
    Comparison { candidate: Candidate { form, needs }, left, missing }
}

/// What is wrong, by the form that comes nearest.
fn explain(opcode: &Opcode, comparisons: &[Comparison]) -> Wrong {
    // A type that does not fit makes a form more distant than another word does.
    let distance = |found: &&Comparison| {
        let left = found.left.iter().map(|word| if is_type(*word) { 3 } else { 2 });
        left.sum::<usize>() + found.missing.iter().map(|group| if is_types(group) { 2 } else { 1 }).sum::<usize>()
    };
    let name = opcode.name();
    let Some(nearest) = comparisons.iter().min_by_key(distance) else {
        return Wrong { message: format!("`{opcode}` is no form of `{name}`"), word: None, help: None };
    };
    match (nearest.left.first(), nearest.missing.first()) {
        (None, Some(missing)) => {
            Wrong { message: format!("`{opcode}` needs {}: {}", noun(missing), list(missing)), word: None, help: None }
        }
        (Some(&word), missing) if is_type(word) && missing.is_none_or(|group| is_types(group)) => {
            let expected = missing.map(|group| format!("it takes {}", list(group)));
            let others = other_types(comparisons, nearest, word);
            Wrong {
                message: format!("`{opcode}` is no form of `{name}`: `.{word}` is not a type that it takes here"),
                word: Some(format!(".{word}")),
                help: expected.or(others),
            }
        }
        (Some(&word), _) => Wrong {
            message: format!("`.{word}` is no modifier of `{}`", without(opcode, word)),
            word: Some(format!(".{word}")),
            help: Some(help_for(comparisons, word, name)),
        },
        (None, None) => Wrong { message: format!("`{opcode}` is no form of `{name}`"), word: None, help: None },
    }
}

/// The types that stand where a wrong one does, over all forms that differ in nothing else.
fn other_types(comparisons: &[Comparison], nearest: &Comparison, word: Modifier) -> Option<String> {
    let same = comparisons.iter().filter(|found| found.left.first() == Some(&word));
    let mut types: Vec<Modifier> = Vec::new();
    for found in same.filter(|found| found.left.len() == nearest.left.len()) {
        for group in found.missing.iter().filter(|group| is_types(group)) {
            types.extend(group.words.iter().map(|(own, _)| *own));
        }
    }
    (!types.is_empty()).then(|| format!("it takes {}", join(types.iter().map(|own| format!("`.{own}`")))))
}

/// Where a word that is wrong here does stand.
fn help_for(comparisons: &[Comparison], word: Modifier, name: &str) -> String {
    let has = |found: &&Comparison| {
        found.candidate.form.groups.iter().any(|group| group.words.iter().any(|(own, _)| *own == word))
    };
    let mut types: Vec<String> = Vec::new();
    for found in comparisons.iter().filter(has) {
        for group in found.candidate.form.groups.iter().filter(|group| is_types(group)) {
            for (own, _) in &group.words {
                let text = format!("`.{own}`");
                if !types.contains(&text) {
                    types.push(text);
                }
            }
        }
    }
    match types.is_empty() {
        false if types.len() < 8 => format!("`{name}` takes `.{word}` with {}", join(types.into_iter())),
        _ => "take it away".to_owned(),
    }
}

fn without(opcode: &Opcode, word: Modifier) -> String {
    let rest = opcode.words().iter().filter(|own| **own != word);
    rest.fold(opcode.name().to_owned(), |text, own| format!("{text}.{own}"))
}

fn list(group: &Group) -> String {
    join(group.words.iter().map(|(word, _)| format!("`.{word}`")))
}

/// What the words of a group are.
fn noun(group: &Group) -> &'static str {
    use Modifier as M;
    let all = |is: fn(Modifier) -> bool| group.words.iter().all(|(word, _)| is(*word));
    match () {
        () if is_types(group) => "a type",
        () if all(|word| matches!(word, M::Rn | M::Rz | M::Rm | M::Rp | M::Rna | M::Rs | M::Approx | M::Full)) => {
            "a rounding"
        }
        () if all(|word| matches!(word, M::Rni | M::Rzi | M::Rmi | M::Rpi)) => "a rounding to an integer",
        () if all(is_space) => "a state space",
        () if group.words.iter().any(|(word, _)| *word == M::Eq) => "a comparison",
        () if all(|word| matches!(word, M::Cta | M::Cluster | M::Gpu | M::Sys)) => "a scope",
        () if group.words.len() == 1 => "this modifier",
        () => "a modifier",
    }
}

fn is_types(group: &Group) -> bool {
    group.words.iter().all(|(word, _)| is_type(*word))
}

fn is_space(word: Modifier) -> bool {
    word.is_shared() || word.is_param() || matches!(word, Modifier::Global | Modifier::Local | Modifier::Const)
}

/// True for a type, those that no register has included.
fn is_type(word: Modifier) -> bool {
    use Modifier as M;
    let is_packed = matches!(
        word,
        M::S16x2 | M::U16x2 | M::B1 | M::S4 | M::U4 | M::E2m1 | M::E2m3 | M::E3m2 | M::E2m1x2 | M::E2m3x2 | M::E3m2x2
    );
    is_packed || word.ty().is_some() || matches!(word, M::Ue8m0 | M::Ue4m3 | M::Ue8m0x2 | M::B1024)
}
