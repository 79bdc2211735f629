//! The tensor descriptors of a kernel: what the compiler chose, what a launch fills in, what the kernel itself writes.

use crate::launch::plan::LaunchPlan;
use crate::launch::prepare::with_prepared;
use crate::launch::snapshot::Snapshot;
use crate::magics::cells::edit::readable;
use crate::magics::views::subject::Subject;
use crate::workspace::{Context, LaunchSpec, Workspace};
use warpbook_compiler::{ParamKind, Stage, TensorDesc};
use warpbook_device::{Device, TENSOR_MAP_BYTES, TensorMap, TensorMapSwizzle};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_ir::shaped;
use warpbook_ptx::isa::Mnemonic;
use warpbook_ptx::lines;

/// One tensor map (TMA descriptor) of a kernel.
#[derive(Clone, Debug)]
pub struct Descriptor {
    /// The parameter's name, or the value of the TTGIR.
    pub name: String,
    /// The box that the compiler chose, outermost first, and bytes of an element.
    pub compiled: Option<TensorDesc>,
    /// The whole map, as a launch encoded it.
    pub map: Option<TensorMap>,
    /// The 128 bytes of the encoded map.
    pub bytes: Option<[u8; TENSOR_MAP_BYTES]>,
    /// Where the values come from, in a few words for the reader.
    pub from: &'static str,
}

impl Descriptor {
    /// Extents of the box, outermost first.
    pub fn block(&self) -> Vec<u32> {
        match (&self.map, &self.compiled) {
            (Some(map), _) => map.tile.iter().rev().copied().collect(),
            (None, Some(compiled)) => compiled.block_size.clone(),
            _ => Vec::new(),
        }
    }

    /// Number of bytes in an element.
    pub fn element_bytes(&self) -> u32 {
        match (&self.map, &self.compiled) {
            (Some(map), _) => map.element.size() as u32,
            (None, Some(compiled)) => compiled.element_size,
            _ => 1,
        }
    }

    /// Bytes of the swizzle, 0 for none.
    pub fn swizzle(&self) -> u32 {
        let swizzle = match (&self.map, &self.compiled) {
            (Some(map), _) => Some(map.swizzle),
            (None, Some(compiled)) => TensorMapSwizzle::from_number(compiled.swizzle),
            _ => None,
        };
        swizzle.and_then(TensorMapSwizzle::bytes).unwrap_or(0)
    }
}

/// All descriptors of a version; `launched` is its last launch.
pub fn find_descriptors(
    subject: &Subject,
    launched: Option<&LaunchSpec>,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<(Vec<Descriptor>, Vec<String>)> {
    let meta = &subject.version.meta;
    let maps = meta.params.value.iter().filter(|param| param.kind == ParamKind::TensorMap);
    let mut compiled = meta.tensor_descs.iter();
    let mut found: Vec<Descriptor> = maps
        .map(|param| Descriptor {
            name: param.name.clone(),
            compiled: compiled.next().cloned(),
            map: None,
            bytes: None,
            from: "as it was compiled",
        })
        .collect();
    let own = made_by_the_kernel(subject);
    let mut notes = Vec::new();
    if found.is_empty() && own.is_empty() {
        return Ok((found, notes));
    }
    let Some(launched) = launched else {
        for name in own {
            let from = "not known before a launch";
            found.push(Descriptor { name, compiled: None, map: None, bytes: None, from });
        }
        notes.push("addresses, extents and strides are known after a launch".to_owned());
        return Ok((found, notes));
    };
    let (given, written) = match launch(subject, launched, !own.is_empty(), workspace, context) {
        Ok(taken) => taken,
        Err(error) if error.is_interrupted() => return Err(error),
        Err(error) => {
            notes.push(format!("the last launch cannot be repeated: {}", error.message));
            (Vec::new(), Vec::new())
        }
    };
    for (one, bytes) in found.iter_mut().zip(given) {
        one.map = TensorMap::decode(&bytes);
        one.bytes = Some(bytes);
        one.from = "as the last launch passes it";
    }
    let mut written = written.into_iter();
    for name in own {
        let bytes = written.next();
        let map = bytes.as_ref().and_then(TensorMap::decode);
        let from = if map.is_some() { "as program 0 of the last launch wrote it" } else { "not written by program 0" };
        found.push(Descriptor { name, compiled: None, map, bytes, from });
    }
    Ok((found, notes))
}

/// The values of the TTGIR that are descriptors made by the kernel, in the order of their scratch.
fn made_by_the_kernel(subject: &Subject) -> Vec<String> {
    let made = ["ttng.reinterpret_tensor_descriptor", "tt.make_tensor_descriptor"];
    if let Some(artifact) = subject.version.artifact(Stage::Ttgir) {
        let text = readable(Stage::Ttgir, artifact);
        let operations = shaped::operations(&text).into_iter();
        let own = operations.filter(|operation| made.contains(&operation.name.as_str()));
        return own.filter_map(|operation| operation.result).collect();
    }
    // Below TTGIR they have no names.
    let ptx = subject.version.artifact(Stage::Ptx).and_then(|artifact| artifact.text()).unwrap_or_default();
    let copies = lines::opcodes(ptx).filter(|opcode| opcode.mnemonic() == Some(Mnemonic::TensormapCpFenceproxy));
    copies.enumerate().map(|(number, _)| format!("descriptor{number}")).collect()
}

type Maps = Vec<[u8; TENSOR_MAP_BYTES]>;

/// The last launch again: the descriptors that it passes, and, if it is to be run, those that it writes. The buffers keep
/// what they hold.
fn launch(
    subject: &Subject,
    launched: &LaunchSpec,
    runs: bool,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<(Maps, Maps)> {
    workspace.revive()?;
    let before = Snapshot::take(workspace)?;
    let version = &subject.version;
    let plan = LaunchPlan::new(&subject.name, version.clone(), launched.clone());
    let params = &version.meta.params.value;
    let scratch = version.meta.global_scratch.value.size;
    let outcome = with_prepared(&plan, workspace, |workspace, prepared| {
        let passed = params.iter().zip(&prepared.launch.args).filter(|(param, _)| param.kind == ParamKind::TensorMap);
        let passed: Maps = passed.filter_map(|(_, bytes)| bytes.as_slice().try_into().ok()).collect();
        if !runs {
            return Ok((passed, Vec::new()));
        }
        workspace.device.launch(&prepared.launch, context.cancel, &|_| {})?;
        // Triton's scratch holds them, one after the other.
        let blocks: u64 = prepared.launch.grid.iter().map(|&extent| u64::from(extent)).product();
        let area = prepared.allocated.iter().find(|(_, bytes)| scratch > 0 && *bytes == scratch.saturating_mul(blocks));
        let Some((address, _)) = area else { return Ok((passed, Vec::new())) };
        Ok((passed, written(workspace.device.as_ref(), *address, scratch)?))
    });
    before.restore(workspace, context)?;
    outcome
}

fn written(device: &dyn Device, address: u64, bytes: u64) -> Result<Maps> {
    let mut raw = vec![0; usize::try_from(bytes).unwrap_or(0).min(1 << 20)];
    device.read(address, &mut raw).map_err(|error| Diagnostic::note(error, "the scratch of program 0"))?;
    let slots = raw.as_chunks::<TENSOR_MAP_BYTES>().0;
    Ok(slots.iter().filter(|slot| slot.iter().any(|&byte| byte != 0)).copied().collect())
}
