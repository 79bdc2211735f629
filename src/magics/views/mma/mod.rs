//! `%mma`: the tensor-core instructions of a kernel's PTX, which lane holds which element of their fragments, what their
//! descriptors say, and which tile of which dot of the TTGIR each of them computes.

mod draw;
mod instruction;
mod link;

use std::collections::BTreeMap;

use serde_json::json;

use super::layout::{Source, distributed_grid};
use super::operands::{OperandRegister, operands};
use super::subject::{KERNEL, Subject};
use crate::magics::cells::edit;
use crate::magics::cells::edit::{artifact, readable};
use crate::magics::declare::kinds::Number;
use crate::magics::declare::{Argument, Typed};
use crate::magics::{Call, Example, Kind, Magic, Needs, Spec};
use crate::render::{Alternative, Block, Document, Fold, Limited, Output, Prose};
use crate::workspace::{Context, Workspace};
use instruction::{Family, Instruction, Undecided, number_of};
use link::Dot;
use warpbook_compiler::Stage;
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_ir::layout::Unsupported;

/// `%mma [KERNEL[@VERSION]]`.
pub struct Mma;

const INSTRUCTION: Argument<Number<usize>> = Argument::option(
    "--instruction",
    Number::new("N", "the number of an instruction, from 0"),
    "the instruction whose tile and descriptors are shown; by default the first of each dot",
);

const SPEC: Spec = Spec {
    name: "mma",
    kind: Kind::Line,
    summary: "the tensor-core instructions of a kernel's PTX, their fragments, descriptors and tiles",
    arguments: &[&KERNEL],
    options: &[&INSTRUCTION],
    details: "How often each `mma.sync`, `wgmma.mma_async`, `tcgen05.mma`, `ldmatrix` and `stmatrix` occurs in the PTX; which \
              register of which lane holds which element of A, B and C; and for each dot of the TTGIR which tile each \
              instruction computes. Descriptors of matrices in shared memory are decoded, as far as the text gives their \
              values: the values of the first pass through a loop, with shared memory beginning at 0. What depends on \
              arguments is taken from the kernel's last launch, repeated on the emulator.",
    examples: &[
        Example { cell: "%mma matmul", needs: Needs::Matmul, shows: "mma.sync" },
        Example { cell: "%mma matmul --instruction 1", needs: Needs::Matmul, shows: "mma.sync" },
    ],
};

impl Magic for Mma {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        let subject = Subject::typed(typed, workspace)?;
        let kernel = edit::kernel(workspace, Some((&subject.name, call.name.clone())), call)?;
        let ptx = artifact(kernel, &subject.version, Stage::Ptx);
        let ptx = readable(Stage::Ptx, ptx.map_err(|error| error.at(call.arguments.clone(), ""))?);
        let mut instructions = instruction::parse_instructions(&ptx).map_err(|error| {
            let source = warpbook_diagnostic::Source::new(format!("{}.ptx", subject.name), ptx.clone());
            error.in_source(&source)
        })?;
        if instructions.is_empty() {
            let error =
                Diagnostic::error("no-mma", format!("the PTX of {} has no tensor-core instruction", subject.name));
            return Err(error.at(call.arguments.clone(), "").note(subject.headline()));
        }
        let products = instructions.iter().filter(|instruction| instruction.is_product()).count();
        let chosen = typed.get(&INSTRUCTION).copied();
        if let Some(number) = chosen.filter(|number| *number >= products) {
            let error = Diagnostic::error("option-value", format!("there is no instruction `{number}`"));
            let help = match products {
                0 => "the PTX has no MMA, only loads and stores of matrices".to_owned(),
                1 => "there is one: 0".to_owned(),
                count => format!("0 to {}", count - 1),
            };
            return Err(error.at(typed.place(&INSTRUCTION), "").help(help));
        }
        let ttgir =
            artifact(kernel, &subject.version, Stage::Ttgir).ok().map(|artifact| readable(Stage::Ttgir, artifact));
        let source = ttgir.as_deref().map(Source::new);
        let decided = decide(&mut instructions, &subject, call, workspace, context)?;
        let (dots, note) = match &source {
            Some(source) => link::link(&source.operations, &source.aliases, &instructions),
            None => (Vec::new(), Some("without a TTGIR it is not known to which dot they belong".to_owned())),
        };
        // `--instruction` counts products.
        let chosen =
            chosen.and_then(|number| (0..instructions.len()).filter(|&at| instructions[at].is_product()).nth(number));
        let notes: Vec<String> = decided.into_iter().chain(note.map(|note| format!("not linked: {note}"))).collect();
        Ok(Some(output(&subject.headline(), &instructions, &dots, &notes, chosen)))
    }
}

/// Gives operands that the text does not decide the values that the last launch gives them; what is to be said of it.
fn decide(
    instructions: &mut [Instruction],
    subject: &Subject,
    call: &Call<'_>,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<Option<String>> {
    let wanted: Vec<(usize, Undecided)> = (0..)
        .zip(instructions.iter())
        .flat_map(|(at, instruction)| instruction.undecided.iter().map(move |which| (at, which.clone())))
        .collect();
    let asked = |(at, which): &(usize, Undecided)| OperandRegister {
        line: instructions[*at].line,
        register: which.register.clone(),
    };
    let asked: Vec<OperandRegister> = wanted.iter().map(asked).collect();
    // Where tensor memory is allocated no text says, and a launch for that alone is not worth its time.
    if wanted.iter().all(|(_, which)| which.operand == 0) {
        return Ok(None);
    }
    let (what, they) = match asked.len() {
        1 => ("one operand has a value that the text does not decide".to_owned(), "it is the value"),
        count => (format!("{count} operands have values that the text does not decide"), "they are the values"),
    };
    let values = match operands(subject, &asked, call, workspace, context) {
        Ok(values) => values,
        Err(error) if error.is_interrupted() => return Err(error),
        Err(error) => return Ok(Some(format!("{what}: {}", error.message))),
    };
    let mut met = 0;
    for ((at, which), value) in wanted.iter().zip(values) {
        if let Some(value) = value {
            instructions[*at].decide(which, value);
            met += 1;
        }
    }
    Ok(Some(match met {
        0 => format!("{what}, and block (0, 0, 0) of the last launch does not reach them"),
        _ if met < asked.len() => {
            let rest = asked.len() - met;
            format!(
                "{what}: {they} of the last launch, when block (0, 0, 0) first reaches them; it does not \
                 reach {rest}"
            )
        }
        _ => format!("{what}: {they} of the last launch, when block (0, 0, 0) first reaches them"),
    }))
}

fn output(
    headline: &str,
    instructions: &[Instruction],
    dots: &[Dot],
    notes: &[String],
    chosen: Option<usize>,
) -> Output {
    let mut document = Document::new(headline);
    for dot in dots.iter().take(DOTS) {
        document.push(Limited { most: 2200, body: vec![draw::dot(dot, instructions, chosen).into()], otherwise: None });
    }
    if dots.len() > DOTS {
        document.push(Alternative::in_html([Prose::from(format!("… {} dots more", dots.len() - DOTS)).into()]));
    }
    notes.iter().for_each(|note| document.line(note));
    // By its text, which is also the order of the list: how often each opcode comes, and its first instruction.
    let mut counts: BTreeMap<String, (usize, &Instruction)> = BTreeMap::new();
    for instruction in instructions {
        counts.entry(instruction.opcode.to_string()).or_insert((0, instruction)).0 += 1;
    }
    for (opcode, (count, first)) in &counts {
        document.push(Limited { most: 3600, body: opcode_blocks(opcode, *count, first), otherwise: None });
    }
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
        "instructions": counts.iter().map(|(name, (count, _))| (name.clone(), json!(count)))
            .collect::<serde_json::Map<_, _>>(),
        "dots": dots,
    });
    document.with_facts(facts).output()
}

/// Most dots that are drawn.
const DOTS: usize = 16;

/// An instruction form: how often it stands there, and which lane holds which element of its fragments.
fn opcode_blocks(opcode: &str, count: usize, first: &Instruction) -> Vec<Block> {
    let mut fold = Fold::new(format!("`{count} × {opcode}`")).open(true);
    let mut text = format!("{count:>5} {opcode}");
    match first.family {
        Family::Matrix => {
            let (line, grid) = draw::matrices(&first.opcode);
            text += &format!("\n      {line}");
            fold.push(grid);
        }
        Family::Tcgen05 => fold.push(Prose::from(
            "D lies in tensor memory, A and B in memory: no thread holds a fragment; `%layout` draws the tensor memory",
        )),
        _ => match instruction::fragments(&first.opcode) {
            Ok(all) => {
                for (name, layout) in all {
                    // A operand of `wgmma` that lies in shared memory has no fragment.
                    if name.starts_with('A') && !draw::is_registers(&first.a) {
                        continue;
                    }
                    let places = layout.places();
                    text += &format!(
                        "\n      {name}: {} elements in each of {} lanes",
                        places.register,
                        places.lane * places.warp
                    );
                    fold.push(distributed_grid(&name, &layout, None));
                }
            }
            Err(Unsupported(what)) => {
                text += &format!("\n      not drawn: {what}");
                fold.push(Prose::from(format!("not drawn: {what}")));
            }
        },
    }
    vec![Alternative::new(text, [fold.into()]).into()]
}
