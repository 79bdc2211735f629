//! `%mma`: the tensor-core instructions of a kernel's PTX, and which lane holds which element of their fragments.

use std::collections::BTreeMap;

use serde_json::json;

use super::layout::distributed_grid;
use super::subject::{Subject, Words};
use crate::compiler::Stage;
use crate::diagnostic::{Diagnostic, Result};
use crate::ir::{operations, places};
use crate::layout::{Encoding, Unsupported};
use crate::magics::edit::{artifact, readable};
use crate::magics::{Call, Kind, Magic, Spec, edit};
use crate::render::{Output, escape_html, grid};
use crate::workspace::{Context, Workspace};

/// `%mma [KERNEL[@VERSION]]`.
pub struct Mma;

const SPEC: Spec = Spec {
    name: "mma",
    kind: Kind::Line,
    summary: "the tensor-core instructions of a kernel's PTX and their fragments",
    usage: "[KERNEL[@VERSION]]",
    details: "How often each `mma.sync`, `wgmma.mma_async` and `ldmatrix` stands in the PTX, and for each MMA which \
              register of which lane holds which element of A, B and C. Operands that `wgmma` reads from shared memory \
              have no fragments.",
    options: &[],
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
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for line in ptx.lines().filter(|line| places::is_ptx_instruction(line.trim())) {
            // Triton writes `wgmma` as inline assembly, in braces or behind a predicate.
            let line = line.trim().trim_start_matches('{').trim();
            let opcode = operations::in_ptx(line).map_or("", |span| &line[span]);
            if ["mma.", "wgmma.mma_async", "ldmatrix", "stmatrix", "tcgen05.mma"]
                .iter()
                .any(|name| opcode.starts_with(name))
            {
                *counts.entry(opcode).or_default() += 1;
            }
        }
        if counts.is_empty() {
            let error =
                Diagnostic::error("no-mma", format!("the PTX of {} has no tensor-core instruction", subject.name));
            return Err(Box::new(error.at(call.arguments.clone(), "").note(subject.headline())));
        }
        Ok(Some(output(&subject.headline(), &counts)))
    }
}

/// An operand or the accumulator of an instruction.
struct Fragment {
    name: String,
    encoding: Encoding,
    shape: [u32; 2],
}

/// The fragments of an opcode; `None` for what is no MMA.
fn fragments(opcode: &str) -> Option<Result<Vec<Fragment>, Unsupported>> {
    let is_warp_group = opcode.starts_with("wgmma.");
    if !is_warp_group && !opcode.starts_with("mma.") {
        return opcode.starts_with("tcgen05.mma").then(|| Err(Unsupported("tensor memory".to_owned())));
    }
    let shape = opcode.split('.').find_map(|part| {
        let (m, rest) = part.strip_prefix('m')?.split_once('n')?;
        let (n, k) = rest.split_once('k')?;
        Some([m.parse().ok()?, n.parse().ok()?, k.parse().ok()?])
    });
    let [m, n, k]: [u32; 3] = shape?;
    // D, A, B and C in this order; `wgmma` has no C.
    let types: Vec<&str> = opcode.split('.').filter(|part| bits(part).is_some()).collect();
    let accumulator = |warps: u32| {
        let version = if is_warp_group { 3 } else { 2 };
        Encoding::Mma { version, warps_per_cta: vec![warps, 1], instr_shape: vec![16, n] }
    };
    if is_warp_group {
        return Some(Ok(vec![Fragment {
            name: format!("C and D, {m}×{n}"), encoding: accumulator(4), shape: [m, n]
        }]));
    }
    let element = types.get(1).and_then(|part| bits(part));
    let Some(element) = element.filter(|element| [8, 16, 32].contains(element) && m == 16 && n == 8) else {
        return Some(Err(Unsupported(format!("fragments of m{m}n{n}k{k}"))));
    };
    let operand = |index| Encoding::DotOperand { index, parent: Box::new(accumulator(1)), k_width: 32 / element };
    Some(Ok(vec![
        Fragment { name: format!("A, {m}×{k}"), encoding: operand(0), shape: [m, k] },
        Fragment { name: format!("B, {k}×{n}"), encoding: operand(1), shape: [k, n] },
        Fragment { name: format!("C and D, {m}×{n}"), encoding: accumulator(1), shape: [m, n] },
    ]))
}

/// Bits of a type's name in an opcode.
fn bits(part: &str) -> Option<u32> {
    match part {
        "f16" | "bf16" => Some(16),
        "f32" | "tf32" | "s32" => Some(32),
        "s8" | "u8" | "e4m3" | "e5m2" => Some(8),
        "f64" => Some(64),
        _ => None,
    }
}

fn output(headline: &str, counts: &BTreeMap<&str, usize>) -> Output {
    let mut text = headline.to_owned();
    let mut html = format!("<div><style>{}</style><strong>{}</strong>", grid::STYLE, escape_html(headline));
    for (opcode, count) in counts {
        text += &format!("\n{count:>5} {opcode}");
        let Some(found) = fragments(opcode) else {
            html += &format!("<div><code>{count} × {}</code></div>", escape_html(opcode));
            continue;
        };
        html += &format!("<details open><summary><code>{count} × {}</code></summary>", escape_html(opcode));
        let laid_out = found.and_then(|found| {
            let each = found.into_iter().map(|one| Ok((one.encoding.layout(&one.shape)?, one.name)));
            each.collect::<Result<Vec<_>, Unsupported>>()
        });
        match laid_out {
            Ok(all) => {
                for (layout, name) in all {
                    let places = layout.places();
                    text += &format!(
                        "\n      {name}: {} elements in each of {} lanes",
                        places.register,
                        places.lane * places.warp
                    );
                    html += &distributed_grid(&name, &layout);
                }
            }
            Err(Unsupported(what)) => {
                text += &format!("\n      not drawn: {what}");
                html += &format!("<div>not drawn: {}</div>", escape_html(&what));
            }
        }
        html += "</details>";
    }
    html += "</div>";
    let facts = json!({"instructions": counts.iter().map(|(name, count)| ((*name).to_owned(), json!(count)))
        .collect::<serde_json::Map<_, _>>()});
    Output::text(text).with_html(html).with_facts(facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The element in a register of a lane.
    fn element(opcode: &str, fragment: usize, lane: u32, register: u32) -> Vec<u32> {
        let fragments = fragments(opcode).expect("an MMA").unwrap_or_else(|error| panic!("{error:?}"));
        let layout = fragments[fragment].encoding.layout(&fragments[fragment].shape).expect("a layout");
        layout.element(crate::layout::Place { lane, register, ..Default::default() })
    }

    #[test]
    fn fragments_are_those_of_the_ptx_isa() {
        // PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type": group = lane >> 2.
        let f16 = "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32";
        assert_eq!(element(f16, 0, 5, 1), [1, 3]);
        assert_eq!(element(f16, 0, 5, 2), [9, 2]);
        assert_eq!(element(f16, 0, 5, 4), [1, 10]);
        assert_eq!(element(f16, 1, 5, 2), [10, 1]);
        assert_eq!(element(f16, 2, 5, 3), [9, 3]);
        let tf32 = "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32";
        assert_eq!((element(tf32, 0, 5, 1), element(tf32, 0, 5, 2)), (vec![9, 1], vec![1, 5]));
        let s8 = "mma.sync.aligned.m16n8k32.row.col.satfinite.s32.s8.s8.s32";
        assert_eq!(element(s8, 0, 5, 8), [1, 20]);
        assert!(fragments("ldmatrix.sync.aligned.m8n8.x4.shared.b16").is_none());
        assert!(fragments("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64").is_some_and(|found| found.is_err()));
    }
}
