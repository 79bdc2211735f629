//! `%tma`: the host tensor descriptors that a kernel takes, and the box that one copy of each moves.

use serde_json::json;

use super::layout::banks_grid;
use super::subject::{Subject, Words};
use crate::compiler::{ParamKind, TensorDesc};
use crate::diagnostic::{Diagnostic, Result};
use crate::layout::Shared;
use crate::magics::{Call, Kind, Magic, Spec};
use crate::render::{Output, bytes_text, escape_html, grid};
use crate::workspace::{Context, Workspace};

/// `%tma [KERNEL[@VERSION]]`.
pub struct Tma;

const SPEC: Spec = Spec {
    name: "tma",
    kind: Kind::Line,
    summary: "the host tensor descriptors that a kernel takes, with box and swizzle",
    usage: "[KERNEL[@VERSION]]",
    details: "For each `tma(…)` argument from sm_90 on: the box that one copy moves, its bytes, the swizzle that the \
              compiler chose, whether the hardware's rules hold, and the bank of shared memory that each word goes to.",
    options: &[],
};

impl Magic for Tma {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let words = Words::of(call, &SPEC)?;
        words.at_most(1, call, &SPEC)?;
        let subject = Subject::of(words.positional.first(), call, workspace)?;
        let meta = &subject.version.meta;
        let names =
            meta.params.value.iter().filter(|param| param.kind == ParamKind::TensorMap).map(|param| &param.name);
        let found: Vec<(&String, &TensorDesc)> = names.zip(&meta.tensor_descs).collect();
        if found.is_empty() {
            let error = Diagnostic::error("no-descriptor", format!("{} takes no host descriptor", subject.name));
            let error = error.at(call.arguments.clone(), "").note(subject.headline());
            return Err(Box::new(error.help("below sm_90 `tma(…)` arguments become pointers")));
        }
        Ok(Some(output(&subject.headline(), &found)))
    }
}

/// Bytes of a swizzle's number.
fn swizzle_bytes(mode: u32) -> u32 {
    match mode {
        1 => 32,
        2 => 64,
        3 => 128,
        _ => 0,
    }
}

/// What the hardware does not take of a descriptor. PTX ISA, "Tensors"; CUDA Driver API, `cuTensorMapEncodeTiled`.
fn broken(desc: &TensorDesc) -> Vec<String> {
    let mut found = Vec::new();
    if desc.block_size.iter().any(|&extent| extent == 0 || extent > 256) {
        found.push("an extent of the box is not in 1 to 256".to_owned());
    }
    let inner = desc.block_size.last().copied().unwrap_or(0).saturating_mul(desc.element_size);
    if !inner.is_multiple_of(16) {
        found.push(format!("the inner extent has {inner} bytes, no multiple of 16"));
    }
    let swizzle = swizzle_bytes(desc.swizzle);
    if swizzle > 0 && inner > swizzle {
        found.push(format!("the inner extent has {inner} bytes, more than the swizzle of {swizzle}"));
    }
    found
}

fn output(headline: &str, found: &[(&String, &TensorDesc)]) -> Output {
    let mut text = headline.to_owned();
    let mut html = format!("<div><style>{}</style><strong>{}</strong>", grid::STYLE, escape_html(headline));
    let mut facts = Vec::new();
    for (name, desc) in found {
        let extents: Vec<String> = desc.block_size.iter().map(u32::to_string).collect();
        let elements: u64 = desc.block_size.iter().map(|&extent| u64::from(extent)).product();
        let bytes = elements * u64::from(desc.element_size);
        let swizzle = swizzle_bytes(desc.swizzle);
        let swizzled = if swizzle == 0 { "no swizzle".to_owned() } else { format!("swizzle {swizzle} B") };
        let rules = match broken(desc) {
            rules if rules.is_empty() => "the hardware's rules hold".to_owned(),
            rules => rules.join("; "),
        };
        let line = format!(
            "{name}: box {} of {} B elements · {} a copy · {swizzled} · {rules}",
            extents.join("×"),
            desc.element_size,
            bytes_text(bytes)
        );
        text += &format!("\n{line}");
        html += &format!("<details open><summary>{}</summary>", escape_html(&line));
        if let [.., rows, columns] = desc.block_size[..]
            && rows.is_power_of_two()
            && columns.is_power_of_two()
            && [1, 2, 4, 8].contains(&desc.element_size)
        {
            let shared = Shared::Nvmma { swizzle, transposed: false, element_bits: desc.element_size * 8 };
            html += &banks_grid(&shared, [rows, columns], desc.element_size);
        }
        html += "</details>";
        facts.push(json!({
            "name": name, "box": desc.block_size, "element_bytes": desc.element_size, "bytes": bytes, "swizzle": swizzle,
        }));
    }
    html += "</div>";
    Output::text(text).with_html(html).with_facts(json!({"descriptors": facts}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_the_hardware() {
        let desc = |swizzle, block_size: &[u32]| TensorDesc {
            swizzle,
            element_size: 2,
            element_type: 6,
            block_size: block_size.to_vec(),
            fp4_padded: false,
        };
        assert_eq!(broken(&desc(3, &[128, 64])), Vec::<String>::new());
        assert_eq!(broken(&desc(3, &[128, 128])), ["the inner extent has 256 bytes, more than the swizzle of 128"]);
        assert_eq!(broken(&desc(0, &[512, 4])).len(), 2);
    }
}
