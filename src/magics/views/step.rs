//! `%step`: a warp, instruction by instruction.

use std::collections::HashMap;

use serde_json::json;

use super::lane_values::{Shown, lanes_text, mask_text};
use super::observing::{self, BLOCK, WARP};
use super::source_lines::Texts;
use super::subject::{KERNEL, Subject};
use super::trace::elements_text;
use crate::magics::declare::kinds::Number;
use crate::magics::declare::{Argument, Candidates, Input, Takes, Typed};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::player::{self, Player};
use crate::render::{Alternative, Document, Output, Prose, grouped};
use crate::workspace::{Context, Workspace};
use warpbook_compiler::{Artifact, Stage};
use warpbook_device::Buffer;
use warpbook_device::emulation::{Line, Observe, Observed, StepTaken, Touch};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_ptx::register_types::{self, Holds};

/// `%step [KERNEL]`
pub struct StepMagic;

/// Steps that the player holds unless the reader says otherwise, and at most.
const STEPS: usize = 100;
const MOST_STEPS: usize = 400;
/// Steps of the text.
const TEXT_STEPS: usize = 16;

const START: Argument<Start> = Argument::option(
    "--from",
    Start::Number(0),
    "begin at this instruction of the warp, or where it first comes to a line",
);
const COUNT: Argument<Number<usize>> = Argument::option(
    "--count",
    Number::new("N", "a number of steps").between(1, MOST_STEPS as u64),
    "the number of steps, 100 by default",
);

const SPEC: Spec = Spec {
    name: "step",
    kind: Kind::Line,
    summary: "step through a warp: each instruction with the registers that it writes and the memory that it touches",
    arguments: &[&KERNEL],
    options: &[&WARP, &BLOCK, &START, &COUNT],
    details: "The kernel's last launch is repeated on the emulator; the buffers keep what they hold. In a notebook the slider, \
              the buttons and the arrow keys go through the steps; without scripts they are a table. `--from 200` begins at \
              instruction number 200 of the warp, `--from line:57` where the warp first comes to line 57 of the PTX. \
              Registers that are the same in all lanes, or grow evenly from lane to lane, are written in that short form.",
    examples: &[
        Example { cell: "%step scale", needs: Needs::Kernel, shows: "ld.global.f32" },
        Example { cell: "%step scale --warp 1 --from 6 --count 3", needs: Needs::Kernel, shows: "warp 1" },
    ],
};

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// At this instruction of the warp, from 0.
    Number(u32),
    /// Where the warp first comes to this line of the PTX.
    Line(u32),
}

impl Takes for Start {
    type Value = Self;

    fn placeholder(&self) -> String {
        "N|line:N".to_owned()
    }

    fn expected(&self) -> String {
        "the number of an instruction, such as 200, or a line of the PTX, such as line:57".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Self> {
        let parsed = match input.text.strip_prefix("line:") {
            Some(line) => line.parse().map(Self::Line),
            None => input.text.replace('_', "").parse().map(Self::Number),
        };
        parsed.map_err(|_| input.refuse(&self.expected()))
    }

    fn candidates(&self, typed: &str, _: &Workspace) -> Candidates {
        Candidates::matching(typed, ["line:"])
    }
}

impl Magic for StepMagic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        let subject = Subject::typed(typed, workspace)?;
        let plan = observing::last_launch(&subject, call, workspace)?;
        let block = typed.get(&BLOCK).copied().unwrap_or_default();
        let warp = typed.get(&WARP).copied().unwrap_or_default();
        let count = typed.get(&COUNT).copied().unwrap_or(STEPS);
        let from = typed.get(&START).copied().unwrap_or(Start::Number(0));
        let threads = plan.version.meta.threads.value;
        if warp >= threads.div_ceil(32) {
            return Err(observing::no_such_warp(warp, threads.div_ceil(32), typed.span(&WARP)));
        }
        let observe = Observe::Record { block, warp: Some(warp) };
        let (observed, device) = observing::launched(&plan, &observe, workspace, context)?;
        let Some(Observed::Record(record)) = observed else {
            return Err(observing::no_such_block(typed, block));
        };
        let (steps, total) = record.steps(warp, count, |number, line| match from {
            Start::Number(first) => number >= first,
            Start::Line(wanted) => line.ptx == wanted,
        });
        if steps.is_empty() {
            let span = typed.place(&START);
            let error = match from {
                Start::Number(_) => Diagnostic::error(
                    "option-value",
                    format!("the warp executes {} instructions", grouped(total.into())),
                ),
                Start::Line(line) => {
                    Diagnostic::error("no-instruction", format!("the warp never reaches line {line} of the PTX"))
                }
            };
            return Err(error.at(span, ""));
        }
        let texts = Texts::new(&plan, workspace, steps.iter().map(|step| &step.line));
        let ptx = plan.version.artifact(Stage::Ptx).and_then(Artifact::text).unwrap_or_default();
        let [x, y, z] = block;
        let view = View {
            headline: format!(
                "{} v{} · {device} · block ({x}, {y}, {z}), warp {warp}",
                plan.kernel, plan.version.number
            ),
            steps: &steps,
            total,
            texts: &texts,
            uses: register_types::infer(ptx),
            buffers: workspace.buffers.iter().cloned().collect(),
        };
        Ok(Some(view.output()))
    }
}

struct View<'a> {
    headline: String,
    steps: &'a [StepTaken],
    total: u32,
    texts: &'a Texts,
    uses: HashMap<String, Holds>,
    buffers: Vec<Buffer>,
}

impl View<'_> {
    fn changes(&self, step: &StepTaken, lanes: usize) -> Vec<(String, String)> {
        let each = step.changes.iter().map(|change| {
            let shown = Shown::from_register(&change.register, change.ty, &self.uses);
            let pointer = self.pointer(&change.values, step.active, lanes).filter(|_| change.ty.size() == 8);
            let text = pointer.unwrap_or_else(|| lanes_text(&change.values, step.active, shown, lanes));
            (change.register.clone(), text)
        });
        each.collect()
    }

    /// Addresses in a buffer, from its beginning: `a + 16·lane`.
    fn pointer(&self, values: &[u64], active: u32, lanes: usize) -> Option<String> {
        let first = *values.get(active.trailing_zeros() as usize)?;
        // One past its end is still its own.
        let buffer =
            self.buffers.iter().find(|buffer| (buffer.address..=buffer.address + buffer.bytes).contains(&first))?;
        let offsets: Vec<u64> = values.iter().map(|value| value.wrapping_sub(buffer.address)).collect();
        let offsets = lanes_text(&offsets, active, Shown::Register(Holds::Unsigned, 8), lanes);
        Some(if offsets == "0" { buffer.name.clone() } else { format!("{} + {offsets}", buffer.name) })
    }

    fn touch(&self, touch: &Touch) -> String {
        let ranges = || {
            let mut ranges: Vec<(u64, u64)> =
                touch.lanes.iter().map(|&(_, at)| (at, at + u64::from(touch.bytes))).collect();
            ranges.sort_unstable();
            ranges.dedup();
            let mut merged: Vec<(u64, u64)> = Vec::new();
            for (from, to) in ranges {
                match merged.last_mut() {
                    Some((_, end)) if *end >= from => *end = (*end).max(to),
                    _ => merged.push((from, to)),
                }
            }
            merged
        };
        match &touch.buffer {
            Some(name) => match self.buffers.iter().find(|buffer| buffer.name == *name) {
                Some(buffer) => format!("{} {}", touch.way, elements_text(buffer, &ranges()).0),
                None => format!("{} {name}", touch.way),
            },
            None => {
                let ranges = ranges();
                let (low, high) =
                    ranges.iter().fold((u64::MAX, 0), |(low, high), &(from, to)| (low.min(from), high.max(to)));
                let holes = if ranges.len() > 1 { format!(", {} places", ranges.len()) } else { String::new() };
                format!("{} shared {low:#x}..{high:#x}{holes}", touch.way)
            }
        }
    }

    fn source(&self, line: &Line) -> Option<(String, String)> {
        let spot = self.texts.spot(line).filter(|_| !self.texts.is_ptx())?;
        Some((self.texts.name(&spot), self.texts.text(&spot).to_owned()))
    }

    fn output(&self) -> Output {
        let (first, count) = (self.steps.first().map_or(0, |step| step.number), self.steps.len());
        let last = first as usize + count;
        let total = grouped(self.total.into());
        let head = format!(
            "{} · instructions {} to {} of {total}",
            self.headline,
            grouped(first.into()),
            grouped(last as u64)
        );
        let mut listed = Vec::new();
        let mut source = None;
        for step in self.steps.iter().take(TEXT_STEPS) {
            let own = self.source(&step.line);
            if own != source {
                if let Some((name, line)) = &own {
                    listed.push(format!("{} {name}: {}", self.texts.title(), cut(line, 90)));
                }
                source = own;
            }
            let mut after: Vec<String> =
                self.changes(step, 3).into_iter().take(2).map(|(name, values)| format!("{name} = {values}")).collect();
            if step.changes.len() > 2 {
                after.push(format!("and {} more", step.changes.len() - 2));
            }
            after.extend(step.touches.iter().map(|touch| self.touch(touch)));
            if step.active != u32::MAX {
                after.push(format!("lanes {}", mask_text(step.active)));
            }
            let instruction = cut(step.line.text.trim_end_matches(';'), 56);
            let after = cut(&after.join(" · "), 84);
            listed.push(format!("{:>5}  {:>4}  {instruction:56}  {after}", step.number, step.line.ptx));
        }
        if count > TEXT_STEPS {
            listed.push(format!("and {} more steps, in the notebook's player", count - TEXT_STEPS));
        }
        let player = Player {
            label: head.clone(),
            source_title: self.texts.title().to_owned(),
            steps: self.steps.iter().map(|step| self.drawn(step)).collect(),
        };
        let facts = json!({
            "total": self.total,
            "steps": self.steps.iter().map(|step| json!({
                "number": step.number, "ptx_line": step.line.ptx, "instruction": step.line.text, "active": step.active,
                "registers": self.changes(step, 32).into_iter().map(|(name, values)| (name, json!(values)))
                    .collect::<serde_json::Map<_, _>>(),
            })).collect::<Vec<_>>(),
        });
        let document = Document::new(Prose::plain(head));
        document.with(Alternative::new(listed.join("\n"), [player.into()])).with_facts(facts).output()
    }

    fn drawn(&self, step: &StepTaken) -> player::Step {
        let mut registers = self.changes(step, 8);
        let more = registers.len().saturating_sub(8);
        registers.truncate(8);
        if more > 0 {
            registers.push(("…".to_owned(), format!("{more} more registers")));
        }
        player::Step {
            number: step.number,
            ptx_line: step.line.ptx,
            instruction: cut(step.line.text.trim_end_matches(';'), 160),
            source: self.source(&step.line).map(|(name, line)| (name, cut(&line, 120))),
            present: step.present,
            active: step.active,
            registers,
            memory: step.touches.iter().map(|touch| self.touch(touch)).collect(),
        }
    }
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}
