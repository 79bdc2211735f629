//! `%layout`: which register of which lane, or which bank, holds each element; what a conversion moves and how; what the
//! kernel's accesses to memory cost.

mod access;
mod draw;
mod list;
mod moves;
mod source;

pub(super) use draw::{distributed_grid, memory_grids};
pub(super) use source::Source;

use super::subject::{KERNEL, Subject};
use crate::magics::cells::edit;
use crate::magics::cells::edit::{artifact, readable};
use crate::magics::declare::kinds::{Coordinates, Placed, Switch};
use crate::magics::declare::{Argument, Candidates, Input, Takes, Typed};
use crate::magics::{Example, Kind as MagicKind, Magic, Needs, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use draw::Chosen;
use source::{Resolved, by_x};
use warpbook_compiler::Stage;
use warpbook_diagnostic::{Diagnostic, Result, nearest};
use warpbook_ir::layout::{Encoding, Layout, Rule, Unsupported};
use warpbook_ir::triton_version::TritonVersion;

/// `%layout [KERNEL[@VERSION]] [LAYOUT]`.
pub struct LayoutMagic;

const LAYOUT: Argument<LayoutName> = Argument::optional(
    "LAYOUT",
    LayoutName,
    "a layout of the TTGIR, or a value with a layout; without it, all are listed",
);
const SHAPE: Argument<Shape> = Argument::option(
    "--shape",
    Shape,
    "the shape of the tensor that is laid out; by default that of the first value with this layout",
);
const AT: Argument<Coordinates> =
    Argument::option("--at", Coordinates, "the element whose place, or whose path through a conversion, is shown");
const CONVERSIONS: Argument<Switch> = Argument::option("--conversions", Switch, "draw every conversion");

const SPEC: Spec = Spec {
    name: "layout",
    kind: MagicKind::Line,
    summary: "draw a layout of the kernel's own TTGIR; show what each conversion moves",
    arguments: &[&KERNEL, &LAYOUT],
    options: &[&SHAPE, &AT, &CONVERSIONS],
    details: "Without a layout, the view lists the layouts of the TTGIR, its conversions and its accesses to memory, each with \
              its cost. For a conversion or an access it shows what moves, and how. `T5:2` is register 2 of thread 5, \
              `B1 T5:2` the same in block 1 of a cluster. For shared memory the view draws the banks, and the rounds that \
              the kernel's own accesses take.",
    examples: &[
        Example { cell: "%layout matmul", needs: Needs::Matmul, shows: "#mma" },
        Example { cell: "%layout matmul #mma", needs: Needs::Matmul, shows: "#mma of matmul v1" },
        Example {
            cell: "%layout matmul #mma --shape 32x32 --at 3,5",
            needs: Needs::Matmul,
            shows: "[3,5] is in T14:1",
        },
        Example { cell: "%layout matmul --conversions", needs: Needs::Matmul, shows: "matmul v1" },
    ],
};

/// A layout or a value of the TTGIR: `#mma`, `%27`.
#[derive(Clone, Copy, Debug)]
struct LayoutName;

impl Takes for LayoutName {
    type Value = Placed<String>;

    fn placeholder(&self) -> String {
        "#ALIAS|%VALUE".to_owned()
    }

    fn expected(&self) -> String {
        "a layout such as #mma, or a value such as %27".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Placed<String>> {
        if input.text.starts_with(['#', '%']) {
            return Ok(Placed { value: input.text.to_owned(), span: input.span.clone() });
        }
        let error = Diagnostic::error("unknown-layout", format!("`{}` is not a layout", input.text));
        Err(error.at(input.span.clone(), "").help("a layout is `#mma` or `%27`"))
    }

    fn candidates(&self, typed: &str, workspace: &Workspace) -> Candidates {
        let version = workspace.kernels.last().and_then(|kernel| kernel.latest());
        let Some(ttgir) = version.and_then(|version| version.artifact(Stage::Ttgir)) else {
            return Candidates::default();
        };
        let text = readable(Stage::Ttgir, ttgir);
        let source = Source::new(&text);
        Candidates::matching(typed, source.names(typed.starts_with('#') || typed.is_empty()))
    }

    fn claims(&self, text: &str, _: bool, _: &Workspace) -> bool {
        text.starts_with(['#', '%'])
    }
}

/// Extents of a tensor: `64x64`.
#[derive(Clone, Copy, Debug)]
struct Shape;

impl Takes for Shape {
    type Value = Vec<u32>;

    fn placeholder(&self) -> String {
        "ROWSxCOLUMNS".to_owned()
    }

    fn expected(&self) -> String {
        "extents that are powers of two up to 16384, such as 64x64".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Vec<u32>> {
        let extents: Option<Vec<u32>> = input.text.split('x').map(|extent| extent.parse().ok()).collect();
        let is_extent = |extent: &u32| extent.is_power_of_two() && *extent <= 1 << 14;
        let extents = extents.filter(|shape| shape.iter().all(is_extent));
        extents.ok_or_else(|| input.refuse(&self.expected()))
    }
}

impl Magic for LayoutMagic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        let subject = Subject::typed(typed, workspace)?;
        let triton = subject.triton(workspace, context.cancel)?;
        let kernel = edit::kernel(workspace, Some((&subject.name, call.name.clone())), call)?;
        let ttgir = artifact(kernel, &subject.version, Stage::Ttgir);
        let ttgir = ttgir.map_err(|error| error.at(call.arguments.clone(), ""))?;
        let text = readable(Stage::Ttgir, ttgir);
        let mut source = Source::new(&text);
        source.rule = Rule::from_version(TritonVersion::parse(&triton));
        let headline = subject.headline();
        let Some(Placed { value: name, span }) = typed.get(&LAYOUT) else {
            if typed.has(&CONVERSIONS) {
                return Ok(Some(moves::conversions(&headline, &source).output()));
            }
            return Ok(Some(list::list(&headline, &source).output()));
        };
        let name = name.as_str();
        let found = source.find(name).ok_or_else(|| unknown(name, &source, span.clone()))?;
        let Resolved { used, operation } = found;
        let head = format!("{name} of {headline}");
        let shape = match (typed.get(&SHAPE), &used) {
            (Some(shape), _) => shape.clone(),
            (None, Some(used)) => used.shape.clone(),
            (None, None) if name.starts_with('%') => {
                let error = Diagnostic::error("no-layout", format!("`{name}` is not a tensor with a layout"));
                let line = operation.and_then(|operation| text.lines().nth(operation.line as usize - 1));
                let error = error.at(span.clone(), "");
                return Err(line.into_iter().fold(error, |error, line| error.note(line.trim().to_owned())));
            }
            (None, None) => {
                let error = Diagnostic::error("no-shape", format!("no value of the TTGIR has the layout `{name}`"));
                return Err(error.at(span.clone(), "").help("say what is laid out: `--shape 64x64`"));
            }
        };
        let attribute = used.as_ref().map_or(name, |used| used.encoding.as_str());
        // Dimensions before those that the layout has count the buffers of a pipeline.
        let counting = match Encoding::parse(attribute, &source.aliases) {
            Ok(Encoding::Shared(shared)) => shape.len().saturating_sub(shared.rank()),
            Ok(Encoding::TensorMemory(_)) => shape.len().saturating_sub(2),
            _ => 0,
        };
        let at = typed.get(&AT).map(|numbers| at(numbers, &shape, counting, &typed.place(&AT))).transpose()?;
        let refuse = |Unsupported(what): Unsupported| {
            let error = Diagnostic::error("layout-unsupported", format!("not drawn: {what}")).at(span.clone(), "");
            match source.aliases.get(attribute) {
                Some(value) => error.note((*value).to_owned()),
                None => error,
            }
        };
        // A conversion or an access is more than the layout of its result.
        if !typed.has(&SHAPE)
            && let Some(operation) = operation
            && let Some(moved) = moves::find_move(operation, &source)
        {
            let moved = moved.map_err(refuse)?;
            return Ok(Some(moves::draw(&head, &moved, at.as_deref()).output()));
        }
        let encoding = Encoding::parse(attribute, &source.aliases).map_err(refuse)?;
        let value = source.aliases.get(attribute).copied().unwrap_or(attribute);
        let bits = used.as_ref().and_then(|used| used.element_bits()).unwrap_or(16);
        let (counts, own) = shape.split_at(counting);
        let chosen = at.as_deref().map(|at| Chosen::new(at, counts, own.len()));
        let drawn = match &encoding {
            Encoding::Shared(shared) => shared.placed(&source::rounded(own), bits / 8).map(|placed| {
                let accesses = moves::accesses_of(attribute, &source);
                draw::shared(&head, value, &placed, &accesses, chosen.as_ref())
            }),
            Encoding::TensorMemory(memory) => memory
                .layout(own, bits)
                .map(|layout| draw::tensor_memory(&head, value, memory, &layout, bits, chosen.as_ref())),
            _ => encoding
                .layout(&shape)
                .and_then(Layout::small)
                .map(|layout| draw::distributed(&head, value, &layout, at.as_deref())),
        };
        drawn.map(|document| Some(document.output())).map_err(refuse)
    }
}

fn unknown(name: &str, source: &Source<'_>, span: std::ops::Range<usize>) -> Diagnostic {
    let what = if name.starts_with('#') { "layout" } else { "value" };
    let error = Diagnostic::error("unknown-layout", format!("the TTGIR has no {what} `{name}`")).at(span, "");
    let names = source.names(name.starts_with('#'));
    match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help("`%layout` lists the layouts and the conversions"),
    }
}

/// The element at some coordinates. The first dimensions, where they count buffers, may be left out.
fn at(numbers: &[i32], whole: &[u32], counting: usize, span: &std::ops::Range<usize>) -> Result<Vec<u32>> {
    let refuse =
        |message: String, help: String| Diagnostic::error("option-value", message).at(span.clone(), "").help(help);
    let example = || {
        let last: Vec<String> = whole.iter().map(|extent| (extent - 1).to_string()).collect();
        let short = if counting > 0 { format!(" or {}", last[counting..].join(",")) } else { String::new() };
        format!("0,… to {}{short}", last.join(","))
    };
    let shape = if numbers.len() == whole.len() - counting { &whole[counting..] } else { whole };
    if numbers.len() != shape.len() {
        let (has, wants) = (numbers.len(), shape.len());
        return Err(refuse(format!("{has} coordinates for a tensor of {wants} dimensions"), example()));
    }
    if let Some(dimension) =
        (0..shape.len()).find(|&at| u32::try_from(numbers[at]).map_or(true, |number| number >= shape[at]))
    {
        let written: Vec<String> = numbers.iter().map(i32::to_string).collect();
        let message = format!("[{}] is outside the tensor of {}", written.join(","), by_x(shape));
        return Err(refuse(message, format!("the dimension {dimension} has {} elements", shape[dimension])));
    }
    Ok(numbers.iter().filter_map(|number| u32::try_from(*number).ok()).collect())
}
