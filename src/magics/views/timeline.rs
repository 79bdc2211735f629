//! `%timeline`: what the warps of a block do, step by step of the emulator.

use serde_json::json;

use super::observing::{BLOCK, no_such_block, observed};
use super::source_lines::Texts;
use crate::magics::cells::options::VERSION;
use crate::magics::cells::relaunch::{LAUNCH, find};
use crate::magics::declare::{Argument, Input, Takes, Typed};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::timeline::{Band, Drawing, Kind as Colour};
use crate::render::{Alternative, Block, Column, Document, Output, Table, grouped};
use crate::workspace::{Context, Workspace};
use warpbook_device::emulation::{Activity, Observe, Observed, Timeline, WarpTimeline};
use warpbook_diagnostic::{Diagnostic, Result};

/// `%timeline [NAME][GRID](ARGUMENTS) [--block X,Y,Z] [--steps A-B]`
pub struct TimelineMagic;

const STEPS: Argument<StepRange> = Argument::option("--steps", StepRange, "these steps only");

/// Columns of the text.
const COLUMNS: u32 = 100;
/// Most instructions that are listed as those at which warps waited.
const WAITS: usize = 5;

/// The colours of Okabe and Ito, which colour-blind readers tell apart, in the order of [`Activity::ALL`].
const COLOURS: [(char, &str); 7] = [
    ('c', "#99999980"),
    ('s', "#56B4E9"),
    ('g', "#0072B2"),
    ('t', "#CC79A7"),
    ('m', "#009E73"),
    ('B', "#E69F00"),
    ('M', "#D55E00"),
];
const UNDER_WAY: [Colour; 2] = [
    Colour { name: "wgmma under way", letter: '=', colour: "#009E73" },
    Colour { name: "copies under way", letter: '-', colour: "#CC79A7" },
];

const SPEC: Spec = Spec {
    name: "timeline",
    kind: Kind::Line,
    summary: "what the warps of a block do, step by step: compute, copies, waits, tensor cores; drawn",
    arguments: &[&LAUNCH],
    options: &[&BLOCK, &STEPS, &VERSION],
    details: "The launch is run on the emulator; the buffers keep what they hold. The axis is the emulator's steps, and not \
              time: in each step every warp that does not wait executes one instruction of the PTX. Copies land as late as \
              the rules allow (when every warp waits), and `wgmma`s are carried out when they are waited for. So the order \
              of events is a valid one, and the lengths are not a GPU's.",
    examples: &[
        Example { cell: "%timeline scale", needs: Needs::Kernel, shows: "warp 0 to 1" },
        Example { cell: "%timeline matmul --block 1,1 --steps 0-40", needs: Needs::Matmul, shows: "block (1, 1, 0)" },
    ],
};

impl Magic for TimelineMagic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let plan = find(typed, workspace)?;
        let block = typed.get(&BLOCK).copied().unwrap_or_default();
        let wanted = typed.get(&STEPS).copied();
        let result = observed(&plan, &Observe::Timeline { block }, workspace, context)?;
        let Some(Observed::Timeline(timeline)) = result.report.observed else {
            return Err(no_such_block(typed, block));
        };
        let texts = Texts::new(&plan, workspace, timeline.waits.iter().map(|(line, ..)| line));
        let steps = match wanted {
            Some((from, to)) if from < timeline.steps => from..to.min(timeline.steps),
            Some(_) => {
                let count = timeline.steps;
                let error = Diagnostic::error("option-value", format!("this block has only {count} steps"));
                return Err(error.at(typed.place(&STEPS), ""));
            }
            None => 0..timeline.steps,
        };
        let [x, y, z] = block;
        let name = format!("{} v{} · {} · block ({x}, {y}, {z})", plan.kernel, plan.version.number, result.device);
        Ok(Some(output(&name, &timeline, steps, &texts)))
    }
}

/// Steps from one to before another: `100-400`.
#[derive(Clone, Copy, Debug)]
struct StepRange;

impl Takes for StepRange {
    type Value = (u32, u32);

    fn placeholder(&self) -> String {
        "A-B".to_owned()
    }

    fn expected(&self) -> String {
        "two numbers, such as 100-400".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<(u32, u32)> {
        let parts = input.text.split_once('-');
        let range = parts.and_then(|(from, to)| from.trim().parse().ok().zip(to.trim().parse().ok()));
        range.filter(|(from, to)| from < to).ok_or_else(|| input.refuse(&self.expected()))
    }
}

fn drawing(title: String, timeline: &Timeline, steps: std::ops::Range<u32>) -> Drawing {
    let kinds = Activity::ALL.iter().zip(COLOURS);
    let kinds = kinds.map(|(activity, (letter, colour))| Colour { name: activity.name(), letter, colour }).collect();
    let kind = |activity: Activity| Activity::ALL.iter().position(|own| *own == activity).unwrap_or(0);
    let bands = timeline.warps.iter().enumerate().map(|(index, warp)| Band {
        label: format!("warp {index}"),
        spans: warp.intervals.iter().map(|one| (one.from..one.to, kind(one.activity))).collect(),
        strips: [&warp.wgmmas, &warp.copies].map(|spans| spans.iter().map(|&(from, to)| from..to).collect()).into(),
    });
    let bands = bands.collect();
    let axis = "steps of the emulator, not time: in each step, every warp that does not wait executes one instruction";
    Drawing { title, axis: axis.to_owned(), steps, kinds, strips: UNDER_WAY.to_vec(), bands, letters: COLUMNS }
}

fn output(name: &str, timeline: &Timeline, steps: std::ops::Range<u32>, texts: &Texts) -> Output {
    let title = format!("{name} · {} steps", grouped(timeline.steps.into()));
    let drawing = drawing(title.clone(), timeline, steps.clone());
    let count = steps.end - steps.start;
    let each = f64::from(count) / f64::from(count.clamp(1, COLUMNS));
    let scale = match count > COLUMNS {
        true => format!("each letter is {each:.1} steps, and stands for what took most of them"),
        false => "each letter is a step".to_owned(),
    };
    let range = format!("steps {} to {}", grouped(steps.start.into()), grouped(steps.end.into()));
    let mut document = Document::default();
    // The drawing has its own title, axis and legend.
    document.push(Alternative::in_text(format!("{title}\n{}\n{range}; {scale}; {}", drawing.axis, drawing.legend())));
    document.push(drawing);

    let used: Vec<Activity> =
        Activity::ALL.into_iter().filter(|own| timeline.warps.iter().any(|warp| warp.steps(*own) > 0)).collect();
    let columns = ["steps"].into_iter().chain(used.iter().map(|activity| activity.name())).map(Column::number);
    let mut shares = Table::new(std::iter::once(Column::text("")).chain(columns));
    let mut index = 0;
    while let Some(warp) = timeline.warps.get(index) {
        let steps_of = |warp: &WarpTimeline| used.iter().map(|own| warp.steps(*own)).collect::<Vec<_>>();
        let same = timeline.warps[index..].iter().take_while(|other| steps_of(other) == steps_of(warp)).count();
        let label = if same > 1 { format!("warp {index} to {}", index + same - 1) } else { format!("warp {index}") };
        index += same;
        let total: u64 = used.iter().map(|activity| warp.steps(*activity)).sum();
        let mut row = vec![label, grouped(total)];
        row.extend(used.iter().map(|activity| match warp.steps(*activity) {
            0 => String::new(),
            own => format!("{:.1} %", own as f64 / total as f64 * 100.0),
        }));
        shares.push(row);
    }

    let mut columns = vec![Column::number("waited"), Column::text(""), Column::text("PTX")];
    columns.extend((!texts.is_ptx()).then(|| Column::text(texts.title())));
    columns.push(Column::text(""));
    let mut waits = Table::new(columns);
    for (line, activity, steps) in timeline.waits.iter().take(WAITS) {
        let spot = texts.spot(line);
        let kind = activity.name().trim_start_matches("waits ").to_owned();
        let mut row = vec![grouped(*steps), kind, line.ptx.to_string()];
        row.extend((!texts.is_ptx()).then(|| spot.as_ref().map(|spot| texts.name(spot)).unwrap_or_default()));
        row.push(spot.as_ref().map(|spot| texts.text(spot).to_owned()).unwrap_or_default());
        waits.push(row);
    }
    let mut columns = vec![vec![shares.into()]];
    columns.extend((!waits.is_empty()).then(|| vec![waits.into()]));
    document.extend([Block::Gap, Block::Columns(columns)]);
    if timeline.cut {
        document.line("the block ran longer: only its first steps were kept");
    }
    let facts = json!({
        "steps": timeline.steps,
        "warps": timeline.warps.iter().map(|warp| {
            let steps = used.iter().map(|activity| (activity.name().to_owned(), json!(warp.steps(*activity))));
            json!(steps.collect::<serde_json::Map<_, _>>())
        }).collect::<Vec<_>>(),
        "waits": timeline.waits.iter().map(|(line, activity, steps)| json!({
            "ptx_line": line.ptx, "at": activity.name(), "steps": steps, "instruction": line.text,
        })).collect::<Vec<_>>(),
    });
    document.with_facts(facts).output()
}
