//! The pairs of multiplications and additions that ptxas contracted, followed by an emulated launch of a kernel that has
//! machine code.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::workspace::{Context, Version, Workspace};
use warpbook_compiler::Stage;
use warpbook_compiler::contraction::{Followed, follow};
use warpbook_compiler::meta::embedded_ptx;
use warpbook_diagnostic::Result;
use warpbook_ir::sass;

/// The PTX of a version as ptxas read it, where the emulator runs it and the version has a cubin. Read once for each
/// cubin. Where `--contract` was given with a cubin, the PTX that it carries counts as the version's.
pub fn followed(version: &Version, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Arc<Followed>>> {
    if !workspace.device.is_emulated() {
        return Ok(None);
    }
    let Some(cubin) = version.artifact(Stage::Cubin) else { return Ok(None) };
    let embedded = version.follows_cubin.then(|| embedded_ptx(cubin)).flatten();
    let Some(ptx) = version.artifact(Stage::Ptx).or(embedded.as_ref()) else { return Ok(None) };
    let Some(text) = ptx.text() else { return Ok(None) };
    let key: [u8; 32] = Sha256::new().chain_update(text).chain_update(&cubin.content).finalize().into();
    if let Some(known) = workspace.contracted.get(&key) {
        return Ok(Some(Arc::clone(known)));
    }
    let triton = match &version.triton {
        Some(triton) => triton.clone(),
        None => workspace.triton_for(version.entered, context.cancel)?,
    };
    let listing = workspace.compiler.disassemble(&cubin.content, &triton, context.cancel, &mut |_| {})?;
    let followed = Arc::new(follow(ptx, &version.meta.entry.value, &sass::parse(&listing))?);
    workspace.contracted.insert(key, Arc::clone(&followed));
    Ok(Some(followed))
}
