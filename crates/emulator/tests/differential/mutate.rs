//! Small changes of an instruction, as a person may make by mistake.

use warpbook_ptx::isa::forms::forms;
use warpbook_ptx::isa::{Modifier, Opcode};
use warpbook_test_support::random::Random;

/// An instruction, taken apart as text.
#[derive(Clone, Debug)]
pub struct Parts {
    pub guard: String,
    pub name: String,
    pub words: Vec<String>,
    pub operands: Vec<String>,
}

impl Parts {
    /// Takes an instruction without its semicolon apart.
    pub fn new(text: &str) -> Self {
        let text = text.trim().trim_end_matches(';');
        let (guard, text) = match text.strip_prefix('@') {
            Some(rest) => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (format!("@{} ", &rest[..end]), rest[end..].trim())
            }
            None => (String::new(), text),
        };
        let end = text.find(|c: char| c.is_whitespace() || "{([".contains(c)).unwrap_or(text.len());
        let opcode = Opcode::parse(&text[..end]);
        let words = opcode.words().iter().map(ToString::to_string).collect();
        Self { guard, name: opcode.name().to_owned(), words, operands: split(&text[end..]) }
    }
}

impl std::fmt::Display for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.guard, self.name)?;
        self.words.iter().try_for_each(|word| write!(f, ".{word}"))?;
        write!(f, " {};", self.operands.join(", "))
    }
}

/// Splits at the commas that stand in no bracket.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (index, c) in text.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..index].trim().to_owned());
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim().to_owned());
    parts.retain(|part| !part.is_empty());
    parts
}

/// Words of many instructions.
const WORDS: &[&str] = &[
    "ftz",
    "sat",
    "rn",
    "rz",
    "rm",
    "rni",
    "rzi",
    "approx",
    "full",
    "relu",
    "NaN",
    "satfinite",
    "wide",
    "lo",
    "hi",
    "cc",
    "global",
    "shared",
    "shared::cta",
    "shared::cluster",
    "local",
    "const",
    "param",
    "v2",
    "v4",
    "volatile",
    "relaxed",
    "acquire",
    "release",
    "gpu",
    "sys",
    "cta",
    "sync",
    "aligned",
    "uni",
    "x2",
    "x4",
    "trans",
    "and",
    "or",
    "add",
    "eq",
    "lt",
    "ltu",
    "nc",
    "ca",
    "cg",
    "noftz",
    "L2::128B",
];
const TYPES: &[&str] = &[
    "pred", "b8", "b16", "b32", "b64", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f16", "f16x2", "bf16",
    "bf16x2", "f32", "f64", "tf32", "e4m3x2", "e5m2x2", "b128",
];
const CONSTANTS: &[&str] = &["0", "1", "-1", "5", "77", "300", "65536", "1.0", "0f3F800000", "0d3FF0000000000000"];

/// A random change; the registers are of all types. `None` where there is nothing to change in the way that was drawn.
pub fn mutant(parts: &Parts, registers: &[String], random: &mut Random) -> Option<Parts> {
    let mut parts = parts.clone();
    let own = own_words(&parts.name);
    match random.below(16) {
        0..=2 if !parts.words.is_empty() => drop(parts.words.remove(random.below(parts.words.len()))),
        3 | 4 if !parts.words.is_empty() => {
            let index = random.below(parts.words.len());
            let is_type = TYPES.contains(&parts.words[index].as_str());
            parts.words[index] = match random.below(3) {
                _ if is_type => (*random.pick(TYPES)).to_owned(),
                0 => (*random.pick(WORDS)).to_owned(),
                _ if own.is_empty() => return None,
                _ => random.pick(&own).clone(),
            };
        }
        5 | 6 => {
            let word = if random.below(2) == 0 && !own.is_empty() {
                random.pick(&own).clone()
            } else {
                (*random.pick(WORDS)).to_owned()
            };
            parts.words.insert(random.below(parts.words.len() + 1), word);
        }
        7 if !parts.operands.is_empty() => drop(parts.operands.remove(random.below(parts.operands.len()))),
        8 if !parts.operands.is_empty() => {
            let operand = random.pick(&parts.operands).clone();
            parts.operands.push(operand);
        }
        9..=12 => {
            let index = random.below(parts.operands.len().max(1));
            let operand = parts.operands.get(index)?;
            let names: Vec<&str> = registers_of(operand);
            let old = *random.pick(&names.into_iter().next().map(|first| vec![first]).unwrap_or_else(|| vec![""]));
            if old.is_empty() {
                return None;
            }
            let old = {
                let names = registers_of(operand);
                (*random.pick(&names)).to_owned()
            };
            let new = random.pick(registers).clone();
            parts.operands[index] = replace_word(operand, &old, &new);
        }
        13 if !parts.operands.is_empty() => {
            let index = random.below(parts.operands.len());
            let old = &parts.operands[index];
            let is_plain = !old.starts_with(['[', '{', '(']);
            let new = (*random.pick(CONSTANTS)).to_owned();
            parts.operands[index] = if is_plain { new } else { replace_number(old, &new)? };
        }
        14 if !parts.operands.is_empty() => {
            let index = random.below(parts.operands.len());
            parts.operands[index] = match random.below(3) {
                0 => "_".to_owned(),
                1 if parts.operands[index].starts_with('%') => format!("!{}", parts.operands[index]),
                _ => format!("[{}]", parts.operands[index].trim_matches(['[', ']'])),
            };
        }
        15 if parts.operands.len() > 1 => {
            let (a, b) = (random.below(parts.operands.len()), random.below(parts.operands.len()));
            parts.operands.swap(a, b);
        }
        _ => return None,
    }
    // ptxas takes some words twice; the ISA does not.
    let is_twice =
        |(index, word): (usize, &String)| !TYPES.contains(&word.as_str()) && parts.words[..index].contains(word);
    let is_new = !parts.words.iter().enumerate().any(is_twice);
    is_new.then_some(parts)
}

/// Words that some form of the instruction has.
fn own_words(name: &str) -> Vec<String> {
    let Some(mnemonic) = Opcode::parse(name).mnemonic() else { return Vec::new() };
    let mut words: Vec<Modifier> = Vec::new();
    for group in forms(mnemonic).iter().flat_map(|form| &form.groups) {
        words.extend(group.words.iter().map(|(word, _)| *word));
    }
    words.iter().map(ToString::to_string).collect()
}

/// The words of an operand that begin like registers.
fn registers_of(operand: &str) -> Vec<&str> {
    let words = operand.split(|c: char| !c.is_ascii_alphanumeric() && !"%_$.".contains(c));
    words.filter(|word| word.starts_with('%')).collect()
}

fn replace_word(text: &str, old: &str, new: &str) -> String {
    let is_inside = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
    let found = text.match_indices(old).find(|(at, _)| !is_inside(text[at + old.len()..].chars().next()));
    found.map_or_else(|| text.to_owned(), |(at, _)| format!("{}{new}{}", &text[..at], &text[at + old.len()..]))
}

fn replace_number(text: &str, new: &str) -> Option<String> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let is_in_name = text[..start].chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric() || "_%$".contains(c));
    let end = text[start..].find(|c: char| !c.is_ascii_alphanumeric()).map_or(text.len(), |length| start + length);
    (!is_in_name).then(|| format!("{}{new}{}", &text[..start], &text[end..]))
}
