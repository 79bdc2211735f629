//! `%mma`: the tensor-core instructions of a kernel's PTX, which lane holds which element of their fragments, what their
//! descriptors say, and which tile of which dot of the TTGIR each of them computes.

mod draw;
mod instruction;
mod link;

use std::collections::BTreeMap;

use serde_json::json;

use super::layout::{Source, distributed_grid};
use super::subject::{Subject, Words};
use crate::compiler::Stage;
use crate::diagnostic::{Diagnostic, Result};
use crate::layout::Unsupported;
use crate::magics::edit::{artifact, readable};
use crate::magics::{Call, Kind, Magic, OptionSpec, Spec, edit};
use crate::render::{Output, escape_html, grid};
use crate::workspace::{Context, Workspace};
use instruction::{Family, Instruction};
use link::Dot;

/// `%mma [KERNEL[@VERSION]]`.
pub struct Mma;

const SPEC: Spec = Spec {
    name: "mma",
    kind: Kind::Line,
    summary: "the tensor-core instructions of a kernel's PTX, their fragments, descriptors and tiles",
    usage: "[KERNEL[@VERSION]] [--instruction N]",
    details: "How often each `mma.sync`, `wgmma.mma_async`, `tcgen05.mma`, `ldmatrix` and `stmatrix` stands in the PTX; \
              which register of which lane holds which element of A, B and C; and for each dot of the TTGIR which tile \
              each instruction computes. Descriptors of matrices in shared memory are taken apart, as far as the text \
              gives their values: those of the first pass through a loop, shared memory beginning at 0.",
    options: &[OptionSpec {
        name: "--instruction",
        value: "N",
        help: "the instruction whose tile and descriptors are shown, counted from 0; otherwise the first of each dot",
    }],
};

impl Magic for Mma {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let words = Words::of(call, &SPEC)?;
        words.at_most(1, call, &SPEC)?;
        let subject = Subject::of(words.positional.first(), call, workspace)?;
        let kernel = edit::kernel(workspace, Some((&subject.name, call.name.clone())), call)?;
        let ptx = artifact(kernel, &subject.version, Stage::Ptx);
        let ptx = readable(Stage::Ptx, ptx.map_err(|error| Box::new(error.at(call.arguments.clone(), "")))?);
        let instructions = instruction::all(&ptx).map_err(|error| {
            let source = crate::diagnostic::Source::new(format!("{}.ptx", subject.name), ptx.clone());
            Box::new(error.in_source(&source))
        })?;
        if instructions.is_empty() {
            let error =
                Diagnostic::error("no-mma", format!("the PTX of {} has no tensor-core instruction", subject.name));
            return Err(Box::new(error.at(call.arguments.clone(), "").note(subject.headline())));
        }
        let products = instructions.iter().filter(|instruction| instruction.is_product()).count();
        let chosen = words.option("--instruction").map(|span| {
            let text = &call.cell.text[span.clone()];
            text.parse::<usize>().ok().filter(|number| *number < products).ok_or_else(|| {
                let error = Diagnostic::error("option-value", format!("there is no instruction `{text}`"));
                let help = match products {
                    0 => "the PTX has no MMA, only loads and stores of matrices".to_owned(),
                    1 => "there is one: 0".to_owned(),
                    count => format!("0 to {}", count - 1),
                };
                Box::new(error.at(span, "").help(help))
            })
        });
        let chosen = chosen.transpose()?;
        let ttgir =
            artifact(kernel, &subject.version, Stage::Ttgir).ok().map(|artifact| readable(Stage::Ttgir, artifact));
        let source = ttgir.as_deref().map(Source::new);
        let (dots, note) = match &source {
            Some(source) => link::link(&source.operations, &source.aliases, &instructions),
            None => (Vec::new(), Some("without a TTGIR nothing says which dot they are of".to_owned())),
        };
        // `--instruction` counts products.
        let chosen =
            chosen.and_then(|number| (0..instructions.len()).filter(|&at| instructions[at].is_product()).nth(number));
        Ok(Some(output(&subject.headline(), &instructions, &dots, note.as_deref(), chosen)))
    }
}

/// The number that the reader knows an instruction by.
fn number_of(instructions: &[Instruction], at: usize) -> usize {
    instructions[..at].iter().filter(|instruction| instruction.is_product()).count()
}

fn output(
    headline: &str,
    instructions: &[Instruction],
    dots: &[Dot],
    note: Option<&str>,
    chosen: Option<usize>,
) -> Output {
    let mut text = headline.to_owned();
    let mut html =
        format!("<div class=\"wb-t\"><style>{}</style><strong>{}</strong>", grid::STYLE, escape_html(headline));
    for dot in dots.iter().take(16) {
        let (line, drawn) = draw::dot(dot, instructions, chosen);
        if text.len() + line.len() < 2200 {
            text += &format!("\n{line}");
        }
        html += &drawn;
    }
    if dots.len() > 16 {
        html += &format!("<div>… {} dots more</div>", dots.len() - 16);
    }
    if let Some(note) = note {
        text += &format!("\nnot linked: {note}");
        html += &format!("<div class=\"wb-c\">not linked: {}</div>", escape_html(note));
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for instruction in instructions {
        *counts.entry(&instruction.opcode).or_default() += 1;
    }
    for (opcode, count) in &counts {
        if text.len() < 3600 {
            text += &format!("\n{count:>5} {opcode}");
        }
        let first = instructions.iter().find(|instruction| instruction.opcode == **opcode);
        let family = first.map_or(Family::Mma, |instruction| instruction.family);
        html += &format!("<details open><summary><code>{count} × {}</code></summary>", escape_html(opcode));
        match family {
            Family::Matrix => {
                let (line, drawn) = draw::matrices(opcode);
                if text.len() < 3600 {
                    text += &format!("\n      {line}");
                }
                html += &drawn;
            }
            Family::Tcgen05 => {
                html += "<div class=\"wb-c\">D lies in tensor memory, A and B in memory: no thread holds a fragment; \
                         `%layout` draws the tensor memory</div>";
            }
            _ => match instruction::fragments(opcode) {
                Ok(all) => {
                    for (name, layout) in all {
                        // A operand of `wgmma` that lies in shared memory has no fragment.
                        let in_memory =
                            name.starts_with('A') && matches!(first, Some(first) if !draw::is_registers(&first.a));
                        if in_memory {
                            continue;
                        }
                        let places = layout.places();
                        if text.len() < 3600 {
                            text += &format!(
                                "\n      {name}: {} elements in each of {} lanes",
                                places.register,
                                places.lane * places.warp
                            );
                        }
                        html += &distributed_grid(&name, &layout, None);
                    }
                }
                Err(Unsupported(what)) => {
                    text += &format!("\n      not drawn: {what}");
                    html += &format!("<div>not drawn: {}</div>", escape_html(&what));
                }
            },
        }
        html += "</details>";
    }
    html += "</div>";
    let dots: Vec<_> = dots
        .iter()
        .map(|dot| {
            let tiles: Vec<_> =
                dot.instructions.iter().map(|(at, tile)| json!([number_of(instructions, *at), tile])).collect();
            json!({"name": dot.name, "line": dot.line, "shape": dot.shape, "step": dot.step, "tiles": tiles,
                   "known_by": dot.known_by})
        })
        .collect();
    let facts = json!({
        "instructions": counts.iter().map(|(name, count)| ((*name).to_owned(), json!(count)))
            .collect::<serde_json::Map<_, _>>(),
        "dots": dots,
    });
    Output::text(text).with_html(html).with_facts(facts)
}
