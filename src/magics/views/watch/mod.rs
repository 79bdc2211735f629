//! `%watch`: registers and memory at a line of the PTX, lane by lane, each time that a warp comes there.

mod value;

use std::collections::HashMap;
use std::fmt::Write;
use std::ops::Range;

use serde_json::json;

use crate::launch::plan::LaunchPlan;
use crate::magics::declare::kinds::{Choice, List, Number, Text, values};
use crate::magics::declare::{Argument, Candidates, Input, Takes, Typed};
use crate::magics::views::lane_values::{Shown, float, lanes_text, mask_text};
use crate::magics::views::observing::{self, BLOCK, Element};
use crate::magics::views::source_lines::Texts;
use crate::magics::views::subject::{KERNEL, Subject};
use crate::magics::{Call, Example, Kind, Magic, Needs, Spec};
use crate::render::{Alternative, Block, Cell, Column, Document, Output, Prose, Table, grouped};
use crate::workspace::{Context, Workspace};
use warpbook_compiler::{Artifact, Stage};
use warpbook_device::Dtype;
use warpbook_device::emulation::{Found, History, Line, Observe, Observed, Point, Time, Watched, Watching};
use warpbook_diagnostic::{Diagnostic, Result, nearest};
use warpbook_ptx::lines;
use warpbook_ptx::register_types::{self, Holds};

/// `%watch [KERNEL] %r12 … --line N`
pub struct WatchMagic;

/// Most executions that the text lists, and most that are drawn.
const TEXT_ROWS: usize = 12;
const DRAWN: usize = 64;
/// Most lanes that the text lists.
const LANES: usize = 6;

const WATCHED: Argument<Text> = Argument::several(
    "WHAT",
    Text {
        // A lone word that is no kernel may be a variable of the last one.
        claims: |text, is_alone, workspace| {
            is_watched(text) || is_alone && is_name(text) && workspace.kernels.get(text).is_none()
        },
        ..Text::new("WHAT", "what to watch, such as %r12, c[3,5] or acc")
    },
    "a register (`%r12`), an element of a buffer (`c[3,5]`), bytes of the block's shared memory (`shared[0x400]`); or, \
     by itself, a variable of the Python or a value of the TTGIR",
);
const LINE: Argument<Number<u32>> = Argument::option(
    "--line",
    Number::new("N", "the number of a line of the PTX"),
    "at the instruction on this line of the PTX; by default where the register is written first",
);
const SOURCE: Argument<Number<u32>> = Argument::option(
    "--source",
    Number::new("N", "the number of a line of the kernel's own text"),
    "at the first instruction that comes from this line of the kernel's own text",
);
const WARP: Argument<WarpOrAll> =
    Argument::option("--warp", WarpOrAll, "this warp of the block rather than warp 0; `all` for every warp");
const LANES_SHOWN: Argument<List<Lanes>> =
    Argument::option("--lane", List::new("L,…", Lanes), "these lanes only, such as 3 or 0,4,8 or 0-7");
const AS: Argument<Choice<Holds>> =
    Argument::option("--as", Choice::new("TYPE", &Holds::NAMES), "show the values as this type");

const SPEC: Spec = Spec {
    name: "watch",
    kind: Kind::Line,
    summary: "registers and memory at a line of the PTX, lane by lane; the registers that hold a value of the TTGIR",
    arguments: &[&KERNEL, &WATCHED],
    options: &[&LINE, &SOURCE, &BLOCK, &WARP, &LANES_SHOWN, &AS],
    details: "The launch is repeated on the emulator; the buffers keep what they hold. A register that the instruction writes \
              is shown as it is after the instruction, everything else as it is before. By default a register is shown with \
              the type that the instructions which use it take it for.\n\
              `%watch matmul acc` and `%watch matmul %27` show which registers hold a variable of the Python, or a value of \
              the TTGIR, in the lanes of a warp. The registers are found by their values, in the order of the layout.",
    examples: &[
        Example { cell: "%watch scale %f1", needs: Needs::Kernel, shows: "%f1" },
        Example { cell: "%watch scale %rd3 --lane 0-3 --as hex", needs: Needs::Kernel, shows: "0x" },
        Example { cell: "%watch scale c[0,5] --line 16", needs: Needs::Kernel, shows: "c[0,5]" },
        Example { cell: "%watch matmul acc", needs: Needs::Matmul, shows: "acc" },
    ],
};

/// A warp of the block, or all of them.
#[derive(Clone, Copy, Debug)]
struct WarpOrAll;

impl Takes for WarpOrAll {
    /// `None` for all.
    type Value = Option<u32>;

    fn placeholder(&self) -> String {
        "W".to_owned()
    }

    fn expected(&self) -> String {
        "the number of a warp, or `all`".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Option<u32>> {
        match input.text {
            "all" => Ok(None),
            number => number.parse().map(Some).map_err(|_| input.refuse(&self.expected())),
        }
    }

    fn candidates(&self, typed: &str, _: &Workspace) -> Candidates {
        Candidates::matching(typed, ["all"])
    }
}

/// A lane, or a range of lanes: the first and the last one.
#[derive(Clone, Copy, Debug)]
struct Lanes;

impl Takes for Lanes {
    type Value = (u32, u32);

    fn placeholder(&self) -> String {
        "L".to_owned()
    }

    fn expected(&self) -> String {
        "lanes from 0 to 31, such as 3 or 0-7".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<(u32, u32)> {
        let (from, to) = input.text.split_once('-').unwrap_or((input.text, input.text));
        let lanes = from.trim().parse().ok().zip(to.trim().parse().ok());
        lanes.filter(|(from, to)| from <= to && *to < 32).ok_or_else(|| input.refuse(&self.expected()))
    }
}

/// One register, element or word of shared memory that is watched.
struct WatchedItem {
    span: Range<usize>,
    text: String,
    watched: Watched,
    element: Option<Element>,
}

impl Magic for WatchMagic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        let cell = &call.cell.text;
        let spans: Vec<Range<usize>> = typed.spans(&WATCHED).collect();
        let subject = Subject::typed(typed, workspace)?;
        let plan = observing::last_launch(&subject, call, workspace)?;
        let ptx = plan.version.artifact(Stage::Ptx).and_then(Artifact::text).unwrap_or_default().to_owned();
        let registers = register_types::infer(&ptx);
        let is_value = |span: &&Range<usize>| {
            let word = &cell[(*span).clone()];
            let is_of_ir = || observing::is_value_of_ttgir(&plan, word);
            is_name(word) || (word.starts_with('%') && !registers.contains_key(word) && is_of_ir())
        };
        if let Some(value) = spans.iter().find(is_value) {
            if let Some(other) = spans.iter().find(|span| *span != value) {
                let error = Diagnostic::error("option-value", "a value is watched by itself").at(other.clone(), "");
                return Err(error.help(format!("`%watch {} {}`", subject.name, &cell[value.clone()])));
            }
            if let Some(place) = typed.span(&LINE).or(typed.span(&SOURCE)).or(typed.span(&AS)) {
                let message = "this option is for registers and memory; a value is watched where it is made";
                let error = Diagnostic::error("option-value", message).at(place, "");
                return Err(error.help("without it, the registers that hold the value are shown"));
            }
            let place = value::InLaunch {
                block: typed.get(&BLOCK).copied().unwrap_or_default(),
                warp: typed.get(&WARP).copied().flatten().unwrap_or_default(),
                warp_span: typed.span(&WARP),
                lanes: lanes(typed),
            };
            return value::watch_value(&subject, value, &place, typed, workspace, context).map(Some);
        }
        let chosen = typed.get(&AS).copied();
        let wanted =
            spans.into_iter().map(|span| parse_item(span, chosen, call, workspace)).collect::<Result<Vec<_>>>()?;
        let block = typed.get(&BLOCK).copied().unwrap_or_default();
        let warp = typed.get(&WARP).copied().unwrap_or(Some(0));
        let lanes = lanes(typed);
        let line = self::line(typed, &wanted, &ptx, &plan)?;
        let watched = wanted.iter().map(|one| one.watched.clone()).collect();
        let observe = Observe::Watch(Watching { block, warp, points: vec![Point { line, watched }] });
        let (observed, device) = observing::launched(&plan, &observe, workspace, context)?;
        let history = match observed {
            Some(Observed::Watch(histories)) => histories.into_iter().next(),
            _ => None,
        };
        let history = history.ok_or_else(|| observing::no_such_block(typed, block))?;
        check(&wanted, &history, line, typed.place(&LINE))?;
        if let Some(warp) = warp.filter(|warp| *warp >= history.warps) {
            return Err(observing::no_such_warp(warp, history.warps, typed.span(&WARP)));
        }
        let Some(instruction) = &history.line else { return Ok(None) };
        let texts = Texts::new(&plan, workspace, std::iter::once(instruction));
        let [x, y, z] = block;
        let headline = format!("{} v{} · {device} · block ({x}, {y}, {z})", plan.kernel, plan.version.number);
        let uses = register_types::infer(&ptx);
        let shown = wanted.iter().zip(&history.found).map(|(one, found)| shown(one, found, chosen, &uses)).collect();
        Ok(Some(
            View { headline, wanted: &wanted, history: &history, shown, lanes, texts: &texts, instruction }.output(),
        ))
    }
}

/// True if a word can be a variable.
fn is_name(word: &str) -> bool {
    let word = word.split(':').next().unwrap_or(word);
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// True if a word is something to watch rather than a kernel.
fn is_watched(word: &str) -> bool {
    word.starts_with('%') || word.contains('[')
}

/// The lanes that are shown.
fn lanes(typed: &Typed<'_>) -> Vec<u32> {
    match typed.get(&LANES_SHOWN) {
        Some(ranges) => values(ranges).into_iter().flat_map(|(from, to)| from..=to).collect(),
        None => (0..32).collect(),
    }
}

fn parse_item(
    span: Range<usize>,
    chosen: Option<Holds>,
    call: &Call<'_>,
    workspace: &Workspace,
) -> Result<WatchedItem> {
    let text = &call.cell.text[span.clone()];
    if text.starts_with('%') {
        let watched = Watched::Register(text.to_owned());
        return Ok(WatchedItem { text: text.to_owned(), watched, element: None, span });
    }
    if let Some(inside) = text.strip_prefix("shared[").and_then(|rest| rest.strip_suffix(']')) {
        let inside = inside.trim();
        let parsed = match inside.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => inside.parse().ok(),
        };
        let bytes = match chosen {
            Some(Holds::F16 | Holds::Bf16) => 2,
            Some(Holds::F64) => 8,
            _ => 4,
        };
        let Some(at) = parsed.filter(|at| *at < 1 << 20) else {
            let error = Diagnostic::error("bad-address", "an address in shared memory is a number of bytes");
            return Err(error.at(span, "").help("`shared[0x400]`"));
        };
        return Ok(WatchedItem { text: text.to_owned(), watched: Watched::Shared { at, bytes }, element: None, span });
    }
    let element = observing::element(&span, call, workspace)?;
    let watched = Watched::Global(element.span.clone());
    Ok(WatchedItem { text: element.text.clone(), watched, element: Some(element), span })
}

/// The line of the PTX that is meant.
fn line(typed: &Typed<'_>, wanted: &[WatchedItem], ptx: &str, plan: &LaunchPlan) -> Result<u32> {
    if let Some(line) = typed.get(&LINE) {
        return Ok(*line);
    }
    let own = |number: u32, text: &str| lines::is_instruction(text.trim()).then_some(number);
    if let Some(source) = typed.get(&SOURCE).copied() {
        let name = plan.text.clone().name;
        let places = warpbook_ir::places::read_ptx(ptx);
        let found = ptx.lines().zip(1u32..).zip(&places).find_map(|((text, number), places)| {
            let here = places.iter().any(|place| place.line == source && (place.file == name || places.len() == 1));
            own(number, text).filter(|_| here)
        });
        return found.ok_or_else(|| {
            let error =
                Diagnostic::error("no-instruction", format!("no instruction of the PTX comes from line {source}"));
            error.at(typed.place(&SOURCE), "").help("`%stages` shows which lines do")
        });
    }
    let Some(WatchedItem { watched: Watched::Register(name), span, .. }) = wanted.first() else {
        let error = Diagnostic::error("missing-option", "memory is watched at a line of the PTX");
        let error = error.at(wanted.first().map_or(typed.everything(), |one| one.span.clone()), "");
        return Err(error.help("`--line N`: `%stages` shows the lines; `%trace` shows which lane writes an element"));
    };
    let has = |text: &str| {
        let mut names = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '%' | '$' | '.')));
        names.any(|word| word == name)
    };
    let found = ptx.lines().zip(1u32..).find_map(|(text, number)| own(number, text).filter(|_| has(text)));
    found.ok_or_else(|| {
        let registers = register_types::infer(ptx);
        let mut names: Vec<&str> = registers.keys().map(String::as_str).collect();
        names.sort_unstable();
        unknown_register(name, names.into_iter(), span.clone())
    })
}

fn unknown_register<'a>(name: &str, names: impl Iterator<Item = &'a str>, span: Range<usize>) -> Diagnostic {
    let error = Diagnostic::error("unknown-register", format!("the PTX has no register `{name}`")).at(span, "");
    match nearest(name, names) {
        Some(near) => error.help(format!("did you mean `{near}`?")).note("a value of TTGIR or TTIR is dumped: `%dump`"),
        None => error.help("`%stages` shows the PTX; a value of TTGIR or TTIR is dumped: `%dump`"),
    }
}

/// Refuses what is not there.
fn check(wanted: &[WatchedItem], history: &History, line: u32, at: Range<usize>) -> Result<()> {
    if history.line.is_none() {
        let error = Diagnostic::error("no-instruction", format!("no instruction begins on line {line} of the PTX"));
        let near = history.lines.iter().min_by_key(|known| known.abs_diff(line));
        return Err(match near {
            Some(near) => error.at(at, "").help(format!("the nearest is on line {near}")),
            None => error.at(at, ""),
        });
    }
    for (one, found) in wanted.iter().zip(&history.found) {
        match found {
            Found::Unknown => {
                return Err(unknown_register(&one.text, history.names.iter().map(String::as_str), one.span.clone()));
            }
            Found::Elsewhere { from, to } => {
                let message = format!("`{}` holds nothing at line {line}", one.text);
                let error = Diagnostic::error("register-dead", message).at(one.span.clone(), "");
                return Err(error.note(format!("it lives from line {from} to line {to} of the PTX")));
            }
            Found::Register { .. } | Found::Memory => {}
        }
    }
    Ok(())
}

fn shown(one: &WatchedItem, found: &Found, chosen: Option<Holds>, uses: &HashMap<String, Holds>) -> Shown {
    match (found, &one.watched, &one.element) {
        (Found::Register { ty, .. }, Watched::Register(name), _) => match chosen {
            Some(holds) => Shown::Register(holds, ty.size()),
            None => Shown::from_register(name, *ty, uses),
        },
        (_, _, Some(element)) => match chosen {
            Some(holds) => Shown::Register(holds, element.dtype.size() as u32),
            None => Shown::Element(element.dtype),
        },
        (_, Watched::Shared { bytes, .. }, _) => Shown::Register(chosen.unwrap_or(Holds::Bits), *bytes),
        _ => Shown::Element(Dtype::U32),
    }
}

struct View<'a> {
    headline: String,
    wanted: &'a [WatchedItem],
    history: &'a History,
    shown: Vec<Shown>,
    lanes: Vec<u32>,
    texts: &'a Texts,
    instruction: &'a Line,
}

impl View<'_> {
    fn output(&self) -> Output {
        let mut place = format!("PTX {}: {}", self.instruction.ptx, self.instruction.text.trim_end_matches(';'));
        if let Some(spot) = self.texts.spot(self.instruction).filter(|_| !self.texts.is_ptx()) {
            let _ = write!(place, "\n{} {}: {}", self.texts.title(), self.texts.name(&spot), self.texts.text(&spot));
        }
        let (count, cut) =
            (self.history.times.len(), if self.history.cut { ", and more that are not kept" } else { "" });
        let mut document = Document::new(Prose::plain(&self.headline));
        document.line(Prose::plain(place));
        if count == 0 {
            document.line("the warp never reached this instruction");
            return document.output();
        }
        for (index, one) in self.wanted.iter().enumerate() {
            let shown = self.shown[index];
            let when = match self.history.found.get(index) {
                Some(Found::Register { written: true, .. }) => "after it",
                _ => "before it",
            };
            let times = if count == 1 { "once".to_owned() } else { format!("{} times", grouped(count as u64)) };
            document.line(Prose::plain(format!("{}  {} · {when} · {times}{cut}", one.text, shown.name())));
            document.push(Alternative::new(self.lines(index, shown), self.table(index, shown)));
        }
        document.with_facts(self.facts()).output()
    }

    fn several_warps(&self) -> bool {
        let first = self.history.times.first().map(|time| time.warp);
        self.history.times.iter().any(|time| Some(time.warp) != first)
    }

    fn label(&self, time: &Time) -> String {
        if self.several_warps() { format!("warp {} · {}", time.warp, time.number) } else { time.number.to_string() }
    }

    fn wanted_lanes(&self, time: &Time) -> u32 {
        self.lanes.iter().fold(0u32, |mask, lane| mask | 1 << lane) & time.active
    }

    fn lines(&self, index: usize, shown: Shown) -> String {
        let mut lines = Vec::new();
        let width =
            self.history.times.iter().take(TEXT_ROWS).map(|time| self.label(time).chars().count()).max().unwrap_or(1);
        let most = if self.lanes.len() < 32 { self.lanes.len() } else { LANES };
        for time in self.history.times.iter().take(TEXT_ROWS) {
            let values = &time.values[index];
            let told = match values.as_slice() {
                [] => "outside the memory".to_owned(),
                [one] => shown.text(*one),
                all => lanes_text(all, self.wanted_lanes(time), shown, most),
            };
            let lanes =
                if time.active == u32::MAX { String::new() } else { format!("   (lanes {})", mask_text(time.active)) };
            lines.push(format!("  {:>width$}  {told}{lanes}", self.label(time)));
        }
        if self.history.times.len() > TEXT_ROWS {
            lines.push(format!("  and {} more", grouped((self.history.times.len() - TEXT_ROWS) as u64)));
        }
        lines.join("\n")
    }

    /// A row for each time, a column for each lane; darker is larger.
    fn table(&self, index: usize, shown: Shown) -> Vec<Block> {
        let times = &self.history.times;
        let numbers =
            times.iter().take(DRAWN).flat_map(|time| &time.values[index]).filter_map(|&bits| shown.number(bits));
        let (low, high) = numbers
            .filter(|value| value.is_finite())
            .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        let heat = |bits: u64| match shown.number(bits) {
            Some(value) if high > low && value.is_finite() => ((value - low) / (high - low) * 5.0).round() as u8,
            _ => 0,
        };
        let is_memory = times.first().is_some_and(|time| time.values[index].len() == 1);
        let titles = match is_memory {
            true => vec!["value".to_owned()],
            false => self.lanes.iter().map(|lane| format!("lane {lane}")).collect(),
        };
        let mut table = Table::new(["time".to_owned()].into_iter().chain(titles).map(Column::number)).scrolling();
        for time in times.iter().take(DRAWN) {
            let values = &time.values[index];
            let own: Vec<(u32, u64)> = match is_memory {
                true => values.iter().map(|&value| (32, value)).collect(),
                false => self.lanes.iter().filter_map(|&lane| Some((lane, *values.get(lane as usize)?))).collect(),
            };
            let cells = own.into_iter().map(|(lane, value)| {
                let is_faint = lane < 32 && time.active >> lane & 1 == 0;
                Cell { text: shown.text(value), shade: if is_faint { 0 } else { heat(value) }, is_faint }
            });
            table.push(std::iter::once(Cell::from(self.label(time))).chain(cells));
        }
        let mut blocks = vec![table.into()];
        if times.len() > DRAWN {
            let left = grouped((times.len() - DRAWN) as u64);
            blocks.push(Block::Aside(format!("and {left} more times: in the output's numbers").into()));
        }
        if high > low {
            let (low, high) = (float(low), float(high));
            let line = format!("from {low} to {high}; darker is larger; lanes that took no part are pale");
            blocks.push(Block::Aside(line.into()));
        }
        blocks
    }

    fn facts(&self) -> serde_json::Value {
        let of = |index: usize, time: &Time| {
            let values = time.values[index].iter().map(|&bits| match self.shown[index].number(bits) {
                Some(number) if number.is_finite() => json!(number),
                _ => json!(self.shown[index].text(bits)),
            });
            values.collect::<Vec<_>>()
        };
        json!({
            "ptx_line": self.instruction.ptx,
            "watched": self.wanted.iter().enumerate().map(|(index, one)| json!({
                "what": one.text,
                "type": self.shown[index].name(),
                "times": self.history.times.iter().take(1024).map(|time| json!({
                    "warp": time.warp, "time": time.number, "active": time.active, "values": of(index, time),
                })).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        })
    }
}
