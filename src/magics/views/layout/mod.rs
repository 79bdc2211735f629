//! `%layout`: which register of which lane, or which bank, holds each element; what a conversion moves and how; what the
//! kernel's accesses to memory cost.

mod access;
mod draw;
mod list;
mod moves;
mod source;

pub(super) use draw::{distributed_grid, memory_grids};
pub(super) use source::Source;

use super::subject::{Subject, Words};
use crate::magics::cells::edit;
use crate::magics::cells::edit::{artifact, readable};
use crate::magics::{Call, Kind as MagicKind, Magic, OptionSpec, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use draw::Chosen;
use source::{Found, by_x};
use warpbook_compiler::Stage;
use warpbook_diagnostic::{Diagnostic, Result, nearest};
use warpbook_ir::layout::{Encoding, Layout, Rule, Unsupported};
use warpbook_ir::triton_version::TritonVersion;

/// `%layout [KERNEL[@VERSION]] [LAYOUT]`.
pub struct LayoutMagic;

const SPEC: Spec = Spec {
    name: "layout",
    kind: MagicKind::Line,
    summary: "a layout of the kernel's own TTGIR, drawn; what each conversion moves",
    usage: "[KERNEL[@VERSION]] [#ALIAS | %VALUE | --conversions] [--shape ROWSxCOLUMNS] [--at ROW,COLUMN]",
    details: "`%layout k` lists the layouts of the TTGIR, its conversions and its accesses to memory with what each costs. \
              `%layout k #mma` draws a layout, `%layout k %27` that of a value; of a conversion or an access what moves and \
              how. `T5:2` is the register 2 of thread 5, `B1 T5:2` that of block 1 of a cluster. For shared memory the \
              banks are drawn, and the rounds that the kernel's own accesses take.",
    options: &[
        OptionSpec {
            name: "--shape",
            value: "ROWSxCOLUMNS",
            help: "the tensor that is laid out; otherwise that of the first value with this layout",
        },
        OptionSpec { name: "--at", value: "ROW,COLUMN", help: "the element whose place or way is shown" },
        OptionSpec { name: "--conversions", value: "", help: "every conversion, drawn" },
    ],
};

impl Magic for LayoutMagic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let words = Words::of(call, &SPEC)?;
        words.at_most(2, call, &SPEC)?;
        let cell = &call.cell.text;
        let is_layout = |word: &&std::ops::Range<usize>| cell[(*word).clone()].starts_with(['#', '%']);
        let wanted = words.positional.iter().find(is_layout).cloned();
        let named = words.positional.iter().find(|word| !is_layout(word));
        if let Some(second) = words.positional.iter().filter(|word| !is_layout(word)).nth(1) {
            let text = &cell[second.clone()];
            let error = Diagnostic::error("unknown-layout", format!("`{text}` is no layout"));
            return Err(error.at(second.clone(), "").help("a layout is `#mma` or `%27`"));
        }
        let subject = Subject::of(named, call, workspace)?;
        let triton = subject.triton(workspace);
        let kernel = edit::kernel(workspace, Some((&subject.name, call.name.clone())), call)?;
        let ttgir = artifact(kernel, &subject.version, Stage::Ttgir);
        let ttgir = ttgir.map_err(|error| error.at(call.arguments.clone(), ""))?;
        let text = readable(Stage::Ttgir, ttgir);
        let mut source = Source::new(&text);
        source.rule = Rule::from_version(TritonVersion::parse(&triton));
        let headline = subject.headline();
        let Some(span) = wanted else {
            if words.option("--conversions").is_some() {
                return Ok(Some(moves::conversions(&headline, &source).output()));
            }
            return Ok(Some(list::list(&headline, &source).output()));
        };
        let name = &cell[span.clone()];
        let found = source.find(name).ok_or_else(|| unknown(name, &source, span.clone()))?;
        let Found { used, operation } = found;
        let head = format!("{name} of {headline}");
        let shape = match (words.option("--shape"), &used) {
            (Some(span), _) => shape(&cell[span.clone()]).ok_or_else(|| {
                let error = Diagnostic::error("option-value", "`--shape` takes extents that are powers of two");
                error.at(span, "").help("--shape 64x64")
            })?,
            (None, Some(used)) => used.shape.clone(),
            (None, None) if name.starts_with('%') => {
                let error = Diagnostic::error("no-layout", format!("`{name}` is no tensor with a layout"));
                let line = operation.and_then(|operation| text.lines().nth(operation.line as usize - 1));
                let error = error.at(span, "");
                return Err(line.into_iter().fold(error, |error, line| error.note(line.trim().to_owned())));
            }
            (None, None) => {
                let error = Diagnostic::error("no-shape", format!("no value of the TTGIR has the layout `{name}`"));
                return Err(error.at(span, "").help("say what is laid out: `--shape 64x64`"));
            }
        };
        let attribute = used.as_ref().map_or(name, |used| used.encoding.as_str());
        // Dimensions before those that the layout has count the buffers of a pipeline.
        let counting = match Encoding::parse(attribute, &source.aliases) {
            Ok(Encoding::Shared(shared)) => shape.len().saturating_sub(shared.rank()),
            Ok(Encoding::TensorMemory(_)) => shape.len().saturating_sub(2),
            _ => 0,
        };
        let at = words.option("--at").map(|span| at(&cell[span.clone()], &shape, counting, &span)).transpose()?;
        let refuse = |Unsupported(what): Unsupported| {
            let error = Diagnostic::error("layout-unsupported", format!("not drawn: {what}")).at(span.clone(), "");
            match source.aliases.get(attribute) {
                Some(value) => error.note((*value).to_owned()),
                None => error,
            }
        };
        // A conversion or an access is more than the layout of its result.
        if words.option("--shape").is_none()
            && let Some(operation) = operation
            && let Some(moved) = moves::of(operation, &source)
        {
            let moved = moved.map_err(refuse)?;
            return Ok(Some(moves::draw(&head, &moved, at.as_deref()).output()));
        }
        let encoding = Encoding::parse(attribute, &source.aliases).map_err(refuse)?;
        let value = source.aliases.get(attribute).copied().unwrap_or(attribute);
        let bits = used.as_ref().and_then(|used| used.element_bits()).unwrap_or(16);
        let (counts, own) = shape.split_at(counting);
        let chosen = at.as_deref().map(|at| Chosen::of(at, counts, own.len()));
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

/// `64x64`
fn shape(text: &str) -> Option<Vec<u32>> {
    let extents: Option<Vec<u32>> = text.split('x').map(|extent| extent.parse().ok()).collect();
    extents.filter(|shape| shape.iter().all(|extent| extent.is_power_of_two() && *extent <= 1 << 14))
}

/// `3,5`: an element. The first dimensions, where they count buffers, may be left out.
fn at(text: &str, whole: &[u32], counting: usize, span: &std::ops::Range<usize>) -> Result<Vec<u32>> {
    let refuse =
        |message: String, help: String| Diagnostic::error("option-value", message).at(span.clone(), "").help(help);
    let example = || {
        let last: Vec<String> = whole.iter().map(|extent| (extent - 1).to_string()).collect();
        let short = if counting > 0 { format!(" or {}", last[counting..].join(",")) } else { String::new() };
        format!("0,… to {}{short}", last.join(","))
    };
    let inside = text.trim_start_matches(['[', '(']).trim_end_matches([']', ')']);
    let numbers: Option<Vec<u32>> = inside.split(',').map(|number| number.trim().parse().ok()).collect();
    let Some(numbers) = numbers else {
        return Err(refuse(format!("`{text}` is no element"), example()));
    };
    let shape = if numbers.len() == whole.len() - counting { &whole[counting..] } else { whole };
    if numbers.len() != shape.len() {
        let (has, wants) = (numbers.len(), shape.len());
        return Err(refuse(format!("{has} coordinates for a tensor of {wants} dimensions"), example()));
    }
    if let Some(dimension) = (0..shape.len()).find(|&dimension| numbers[dimension] >= shape[dimension]) {
        let message = format!("[{inside}] is outside the tensor of {}", by_x(shape));
        return Err(refuse(message, format!("the dimension {dimension} has {} elements", shape[dimension])));
    }
    Ok(numbers)
}
