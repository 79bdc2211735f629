//! What an edited text does not say, and the version that it was edited from does.

use super::{LaunchMeta, Origin, Param, ParamKind, Sourced};

/// Fills every default of `meta` from a version's metadata, and names the parameters like that version's, as far as
/// they still are the same ones.
pub fn inherit(meta: &mut LaunchMeta, parent: &LaunchMeta, version: u32) {
    fn fill<T: Clone>(field: &mut Sourced<T>, from: &Sourced<T>, version: u32) {
        if field.is_default() && !from.is_default() {
            *field = Sourced::new(from.value.clone(), Origin::Parent(version));
        }
    }
    fill(&mut meta.shared, &parent.shared, version);
    if meta.threads.is_default() {
        meta.block = parent.block;
    }
    fill(&mut meta.threads, &parent.threads, version);
    // PTX tells the threads, from which the warps of warp-specialised code cannot be told.
    let counts_threads = matches!(meta.num_warps.origin, Origin::PtxDirective(_) | Origin::CubinAttribute(_));
    if (meta.num_warps.is_default() || counts_threads) && meta.threads.value == parent.threads.value {
        meta.num_warps = Sourced::new(parent.num_warps.value, Origin::Parent(version));
    }
    meta.grid_counts_blocks = parent.grid_counts_blocks;
    fill(&mut meta.cluster, &parent.cluster, version);
    fill(&mut meta.global_scratch, &parent.global_scratch, version);
    fill(&mut meta.profile_scratch, &parent.profile_scratch, version);
    fill(&mut meta.tmem, &parent.tmem, version);
    fill(&mut meta.fp_fusion, &parent.fp_fusion, version);
    fill(&mut meta.cooperative, &parent.cooperative, version);
    fill(&mut meta.dependent, &parent.dependent, version);
    let maps = meta.params.value.iter().filter(|param| param.kind == ParamKind::TensorMap).count();
    // Of another number it is not known which of them belongs to which parameter.
    if meta.tensor_descs.is_empty() && maps == parent.tensor_descs.len() {
        meta.tensor_descs.clone_from(&parent.tensor_descs);
    }
    if matches!(meta.params.origin, Origin::PtxDirective(_) | Origin::CubinAttribute(_)) {
        inherit_params(meta, parent, version);
    }
}

fn inherit_params(meta: &mut LaunchMeta, parent: &LaunchMeta, version: u32) {
    let (params, theirs) = (&mut meta.params.value, &parent.params.value);
    let trailing = parent.scratch_params.value as usize;
    let same_count = params.len() == theirs.len() + trailing;
    if meta.scratch_params.is_default()
        && meta.scratch_params.value == 0
        && same_count
        && params.iter().rev().take(trailing).all(Param::may_be_scratch)
    {
        params.truncate(theirs.len());
        meta.scratch_params = Sourced::new(parent.scratch_params.value, Origin::Parent(version));
    }
    if params.len() == theirs.len() && params.iter().zip(theirs).all(|(ours, theirs)| fits(ours, theirs)) {
        for (ours, theirs) in params.iter_mut().zip(theirs) {
            *ours = Param { size: ours.size, align: ours.align, ..theirs.clone() };
        }
        meta.params.origin = Origin::Parent(version);
    }
}

/// True if a parameter of PTX can correspond to the parent's: the same size, and a pointer only if the parent's is one.
fn fits(ours: &Param, theirs: &Param) -> bool {
    let is_pointer = |param: &Param| matches!(param.kind, ParamKind::Pointer { .. });
    let is_float = |param: &Param| matches!(&param.kind, ParamKind::Scalar { ty } if ty.contains('f'));
    let agree = match &ours.kind {
        ParamKind::Pointer { .. } => is_pointer(theirs),
        // `.b32` may be anything, `.f32` a float only, `.u32` an integer (or a pointer, in PTX by hand).
        ParamKind::Scalar { ty } if ty.starts_with('b') => true,
        ParamKind::Scalar { .. } => is_float(ours) == is_float(theirs),
        ParamKind::TensorMap | ParamKind::Bytes => theirs.kind == ours.kind,
    };
    agree && ours.size == theirs.size
}
