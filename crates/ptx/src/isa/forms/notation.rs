//! How the forms are written.
//!
//! ```text
//! # a comment
//! @round = rn rz rm rp                              a set of modifiers, used as {@round}
//! add {@round}? ftz? sat? f32 : =T T T              the form: name, modifiers; operands
//! add {f16 bf16@7.8,90}       : =T T T : 4.2 53     the first version and targets, of a word and of the form
//! ```
//!
//! Modifiers: a word, or `{…}` for one of several; `?` behind it says that it may be left out,
//! `^` before it that it stands first; the order of the others matters for types and state spaces alone. `word@8.6,100a,101a` needs
//! more than the form does.
//!
//! Operands: `T` is the last type of the opcode, `T0` and `T1` the first and second, `W` twice as wide as the last;
//! others are types. `~` takes wider registers too (PTX ISA 9.4.1), `!` no constants,
//! `<0..15>` limits them (`%8`: multiples). `=T` is a result, `=T_` one that
//! may be dropped; `p` a predicate, `0..15` a constant, `[]` an address in the state space of the opcode, `[1]` in its
//! second one, `[shared]`, `[tensor]`, `[tmem]`; `{T*4}` four registers, `{T*v}` as many as `.v4` says (`V`: up to 256 bits), `{T*x}` as `.x4` says, `{T*n/2}` half the columns of `.m64n8k16`;
//! `=T|pred` a pair, `=T||pred` one whose second may be left out; `label`; `&T` a register or a variable; `<mov>` what `mov` takes; `<any>`
//! anything, `...` any operands more. `?` behind an operand says that it may be left out.
//!
//! Targets are numbers: `90` and later ones, `90a` alone, `100f` the family.

use std::collections::HashMap;

use super::architecture::{Architecture, Need};
use super::form::{Base, Count, Form, Group, Kind, Limits, Place, Type};
use crate::isa::{Mnemonic, Modifier};
use crate::types::PtxType;

/// The forms of a file. The files are part of the program: a mistake in one is a panic that a test finds.
pub(super) fn parse(file: &str, text: &str) -> Vec<(Mnemonic, Form)> {
    let mut sets: HashMap<&str, &str> = HashMap::new();
    let mut forms = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(set) = line.strip_prefix('@')
            && let Some((name, words)) = set.split_once('=')
        {
            sets.insert(name.trim(), words.trim());
            continue;
        }
        let form = self::form(line, &sets);
        forms.push(form.unwrap_or_else(|what| panic!("{file}:{}: {what}: {line}", number + 1)));
    }
    forms
}

fn form(line: &str, sets: &HashMap<&str, &str>) -> Result<(Mnemonic, Form), String> {
    let mut parts = line.split(" :");
    let head = parts.next().unwrap_or_default().trim();
    let (name, words) = head.split_once(' ').unwrap_or((head, ""));
    let mnemonic = Mnemonic::at_start(name).filter(|(_, spelling)| spelling.len() == name.len());
    let (mnemonic, _) = mnemonic.ok_or_else(|| format!("no instruction `{name}`"))?;
    let groups = tokens(words).into_iter().map(|token| group(token, sets)).collect::<Result<_, _>>()?;
    let places = tokens(parts.next().unwrap_or_default()).into_iter().map(place).collect::<Result<_, _>>()?;
    let need = need(parts.next().unwrap_or_default().split_whitespace())?;
    Ok((mnemonic, Form { groups, places, need }))
}

/// The tokens of a text; one in braces is a token as a whole.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let (mut start, mut depth) = (0, 0);
    for (index, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ' ' if depth == 0 => {
                tokens.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    tokens.push(&text[start..]);
    tokens.retain(|token| !token.is_empty());
    tokens
}

fn group(token: &str, sets: &HashMap<&str, &str>) -> Result<Group, String> {
    let (token, is_optional) = optional(token);
    let (token, is_first) = token.strip_prefix('^').map_or((token, false), |token| (token, true));
    let token = token.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(token);
    let mut words = Vec::new();
    for word in token.split_whitespace() {
        match word.strip_prefix('@') {
            Some(set) => {
                let set = sets.get(set).ok_or_else(|| format!("no set `{set}`"))?;
                words.extend(group(&format!("{{{set}}}"), sets)?.words);
            }
            None => {
                let (word, needs) = word.split_once('@').unwrap_or((word, ""));
                let modifier = Modifier::parse(word).ok_or_else(|| format!("no modifier `{word}`"))?;
                words.push((modifier, need(needs.split(',').filter(|part| !part.is_empty()))?));
            }
        }
    }
    Ok(Group { words, is_optional, is_first })
}

fn optional(token: &str) -> (&str, bool) {
    token.strip_suffix('?').map_or((token, false), |token| (token, true))
}

/// `8.6 100a 101a`
fn need<'a>(parts: impl Iterator<Item = &'a str>) -> Result<Need, String> {
    let mut need = Need::default();
    for part in parts {
        match part.split_once('.') {
            Some((major, minor)) => {
                let number = |text: &str| text.parse().map_err(|_| format!("no version `{part}`"));
                need.version = (number(major)?, number(minor)?);
            }
            None => {
                let target = Architecture::parse(&format!("sm_{part}"));
                need.targets.push(target.ok_or_else(|| format!("no target `{part}`"))?);
            }
        }
    }
    Ok(need)
}

fn place(token: &str) -> Result<Place, String> {
    let (token, is_optional) = optional(token);
    Ok(Place { kind: kind(token)?, is_optional })
}

fn kind(token: &str) -> Result<Kind, String> {
    if let Some((first, second)) = token.split_once("||") {
        return Ok(Kind::Pair(Box::new(kind(first)?), Box::new(kind(&format!("={second}"))?), true));
    }
    if let Some((first, second)) = token.split_once('|') {
        return Ok(Kind::Pair(Box::new(kind(first)?), Box::new(kind(&format!("={second}"))?), false));
    }
    if let Some(inner) = token.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let (element, count) = inner.split_once('*').ok_or("`{TYPE*COUNT}` is wanted")?;
        let count = match count {
            "v" => Count::ByVector,
            "V" => Count::ByWideVector,
            "x" => Count::ByRepetition(1),
            "2x" => Count::ByRepetition(2),
            "4x" => Count::ByRepetition(4),
            "n/2" => Count::ByColumns(2),
            "n/4" => Count::ByColumns(4),
            _ => Count::Exactly(count.parse().map_err(|_| format!("no count `{count}`"))?),
        };
        return Ok(Kind::Vector(Box::new(kind(element)?), count));
    }
    if let Some((name, limits)) = token
        .strip_suffix('>')
        .and_then(|rest| rest.split_once('<'))
        .filter(|(name, _)| !name.is_empty() && *name != "=")
    {
        return Ok(Kind::Source { ty: ty(name)?, register: false, range: Some(range(limits)?) });
    }
    if token.contains("..") && token != "..." {
        return Ok(Kind::Constant(range(token)?));
    }
    Ok(match token {
        "p" => Kind::Predicate { register: false },
        "p!" => Kind::Predicate { register: true },
        "[]" => Kind::Address(0),
        "[1]" => Kind::Address(1),
        "[shared]" => Kind::SharedAddress,
        "[tensor]" => Kind::TensorAddress,
        "[tmem]" => Kind::TensorMemoryAddress,
        "_" => Kind::Sink,
        "label" => Kind::Label,
        "=<mov>" => Kind::MovTo,
        "<mov>" => Kind::Mov,
        "<any>" => Kind::Any,
        "..." => Kind::Rest,
        _ => match token.strip_prefix('=') {
            Some(rest) => {
                let (name, sink) = rest.strip_suffix('_').map_or((rest, false), |name| (name, true));
                Kind::Result { ty: ty(name)?, sink }
            }
            None if token.starts_with('&') => Kind::Pointer(ty(&token[1..])?),
            None => {
                let (name, register) = token.strip_suffix('!').map_or((token, false), |name| (name, true));
                Kind::Source { ty: ty(name)?, register, range: None }
            }
        },
    })
}

/// Reads the limits of a constant: `0..15`, or `0..256%8` for multiples of 8.
fn range(text: &str) -> Result<Limits, String> {
    let (low, high) = text.split_once("..").ok_or("`LOW..HIGH` is wanted")?;
    let (high, multiple) = high.split_once('%').unwrap_or((high, "1"));
    let number = |text: &str| text.parse::<i64>().map_err(|_| format!("no number `{text}`"));
    Ok(Limits { low: number(low)?, high: number(high)?, multiple: number(multiple)? })
}

fn ty(name: &str) -> Result<Type, String> {
    let (name, relaxed) = name.strip_suffix('~').map_or((name, false), |name| (name, true));
    let base = match name {
        "T" => Base::Last,
        "W" => Base::TwiceLast,
        "T0" => Base::Nth(0),
        "T1" => Base::Nth(1),
        "T2" => Base::Nth(2),
        "T3" => Base::Nth(3),
        _ => Base::Fixed(name.parse::<PtxType>().map_err(|()| format!("no type `{name}`"))?),
    };
    Ok(Type { base, relaxed })
}
