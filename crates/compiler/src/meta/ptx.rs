//! What a PTX text says about its launch ("PTX ISA", sections 11.2 kernel entries, 11.4 performance directives, 11.6
//! linking directives), and how Triton's own trailing parameters are distinguished from the user's.

use super::{LaunchMeta, Origin, Param, ParamKind, Scratch, Sourced, comment};
use crate::Artifact;
use warpbook_diagnostic::{Diagnostic, Result, nearest};
use warpbook_ptx::{Address, Function, Module, Operand, PtxType, Space, Statement};

/// Bytes that are asked for where nothing says how much shared memory a kernel uses: what the largest supported GPU
/// gives one block. The launch takes no more than its device has.
pub(super) const MOST_SHARED: u32 = 227 << 10;

/// Warps of a block if no text gives the number: Triton's own default.
pub(super) const DEFAULT_WARPS: u32 = 4;

/// Threads that a block may have (CUDA Programming Guide, table of compute capabilities).
const MOST_THREADS: u32 = 1024;

/// What a PTX text says about the launch of one entry, the `// warpbook:` comment included. `name` chooses the entry
/// where there are several.
pub fn from_ptx(ptx: &Artifact, name: Option<&str>) -> Result<LaunchMeta> {
    let module = ptx.syntax()?;
    let entry = choose(module, name)?;
    let mut meta = meta_from_entry(module, entry)?;
    if let Some(comment) = comment::read(ptx.text().unwrap_or_default())? {
        comment.apply(&mut meta)?;
    }
    Ok(meta)
}

pub(super) fn choose<'a>(module: &'a Module, name: Option<&str>) -> Result<&'a Function> {
    let entries: Vec<&Function> = module.entries().filter(|entry| entry.body.is_some()).collect();
    let list = || entries.iter().map(|entry| format!("`{}`", entry.name)).collect::<Vec<_>>().join(", ");
    let error = match (name, entries.as_slice()) {
        (None, [entry]) => return Ok(entry),
        (_, []) => Diagnostic::error("no-entry", "this PTX has no kernel")
            .help("a kernel begins with `.visible .entry name(…)`"),
        (None, several) => several.iter().fold(
            Diagnostic::error("which-entry", format!("this PTX has {} kernels", several.len()))
                .help(format!("name one of them in the header: {}", list())),
            |error, entry| error.at(entry.span.clone(), ""),
        ),
        (Some(name), several) => {
            if let Some(entry) = several.iter().find(|entry| entry.name == name) {
                return Ok(entry);
            }
            let error = Diagnostic::error("unknown-entry", format!("this PTX has no kernel `{name}`"));
            let error = error.note(format!("it has: {}", list()));
            match nearest(name, several.iter().map(|entry| entry.name.as_str())) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error,
            }
        }
    };
    Err(error)
}

pub(super) fn meta_from_entry(module: &Module, entry: &Function) -> Result<LaunchMeta> {
    let directive = |name: &str| Origin::PtxDirective(name.to_owned());
    let params = entry.params.iter().map(param).collect();
    let threads = match (entry.reqntid, entry.maxntid) {
        (Some(extents), _) => Sourced::new(threads(entry, ".reqntid", extents)?, directive(".reqntid")),
        (None, Some(extents)) => Sourced::new(threads(entry, ".maxntid", extents)?, directive(".maxntid")),
        (None, None) => Sourced::default(32 * DEFAULT_WARPS, "the PTX has no .reqntid"),
    };
    let shared = match dynamic_shared(module, entry) {
        true => Sourced::default(MOST_SHARED, "the device's limit"),
        false => Sourced::default(0, "the PTX has no external shared array"),
    };
    let absent = |what: &str| format!("PTX does not say {what}");
    Ok(LaunchMeta {
        entry: Sourced::new(entry.name.clone(), directive(".entry")),
        params: Sourced::new(params, directive(".param")),
        scratch_params: Sourced::default(0, "the number of arguments decides"),
        num_warps: Sourced::new(threads.value.div_ceil(32), threads.origin.clone()),
        threads,
        block: entry.reqntid.or(entry.maxntid).and_then(in_several_dimensions),
        shared,
        grid_counts_blocks: entry.cluster.is_some() && !module.is_from_llvm,
        cluster: match entry.cluster {
            Some(extents) => Sourced::new(extents, directive(".reqnctapercluster")),
            None => Sourced::default([1; 3], "the PTX has no .reqnctapercluster"),
        },
        global_scratch: Sourced::default(Scratch::default(), absent("how much global scratch")),
        profile_scratch: Sourced::default(Scratch::default(), absent("how much profile scratch")),
        tmem: Sourced::default(0, absent("how much tensor memory")),
        tensor_descs: Vec::new(),
        fp_fusion: Sourced::default(true, "as ptxas does it"),
        cooperative: Sourced::default(false, absent("whether it is cooperative")),
        dependent: Sourced::default(false, absent("whether it is a dependent launch")),
    })
}

/// Threads of a block whose extents a directive names.
fn threads(entry: &Function, directive: &str, extents: [u32; 3]) -> Result<u32> {
    let count = extents.iter().try_fold(1u32, |all, &extent| all.checked_mul(extent));
    count.filter(|count| (1..=MOST_THREADS).contains(count)).ok_or_else(|| {
        let [x, y, z] = extents;
        let message = format!("a block of {x} × {y} × {z} threads; it has 1 to {MOST_THREADS}");
        Diagnostic::error("block-shape", message).at(entry.span.clone(), format!("{directive} {x}, {y}, {z}"))
    })
}

/// The extents of a block, if it has more than one dimension.
pub(super) fn in_several_dimensions(extents: [u32; 3]) -> Option<[u32; 3]> {
    (extents[1] != 1 || extents[2] != 1).then_some(extents)
}

fn param(declared: &warpbook_ptx::Param) -> Param {
    let is_tensor_map = declared.size() == 128 && declared.align >= 64;
    let kind = match (declared.pointee, declared.ty) {
        _ if is_tensor_map => ParamKind::TensorMap,
        (Some(Space::Global | Space::Generic), PtxType::U64 | PtxType::B64 | PtxType::S64) => {
            ParamKind::Pointer { element: None }
        }
        _ if declared.count == 1 => ParamKind::Scalar { ty: declared.ty.name().to_owned() },
        _ => ParamKind::Bytes,
    };
    Param { name: declared.name.clone(), kind, size: declared.size(), align: declared.align, divisibility: None }
}

/// True if an entry, or a function that it may call, uses shared memory whose size the launch gives.
fn dynamic_shared(module: &Module, entry: &Function) -> bool {
    let external: Vec<&str> = module
        .variables
        .iter()
        .filter(|variable| variable.space == Space::Shared && variable.size == 0)
        .map(|variable| variable.name.as_str())
        .collect();
    let is_external = |name: &str| external.contains(&name);
    let called = module.functions.iter().filter(|function| !function.is_entry);
    !external.is_empty()
        && std::iter::once(entry).chain(called).any(|function| mentions(function.body.as_deref(), &is_external))
}

fn mentions(body: Option<&[Statement]>, wanted: &dyn Fn(&str) -> bool) -> bool {
    body.unwrap_or_default().iter().any(|statement| match statement {
        Statement::Block(inner) => mentions(Some(inner), wanted),
        Statement::Instruction(instruction) => instruction.operands.iter().any(|operand| names(operand, wanted)),
        Statement::Registers { .. }
        | Statement::Variable(_)
        | Statement::Label(..)
        | Statement::BranchTargets { .. }
        | Statement::Line(_) => false,
    })
}

fn names(operand: &Operand, wanted: &dyn Fn(&str) -> bool) -> bool {
    match operand {
        Operand::Name(name) | Operand::NameOffset(name, _) => wanted(name),
        Operand::Address(Address { base, .. }) => base.as_deref().is_some_and(wanted),
        Operand::Vector(items) | Operand::List(items) => items.iter().any(|item| names(item, wanted)),
        Operand::Pair(first, second) => names(first, wanted) || names(second, wanted),
        Operand::Not(_) | Operand::Immediate(_) | Operand::Sink => false,
    }
}

/// True if the code of an entry names its parameter with this index. A PTX that does not parse may name it.
pub fn mentions_parameter(ptx: &Artifact, entry: &str, index: usize) -> bool {
    let Ok(module) = ptx.syntax() else { return true };
    let Some(function) = module.entries().find(|function| function.name == entry) else { return true };
    let Some(param) = function.params.get(index) else { return false };
    mentions(function.body.as_deref(), &|name| name == param.name)
}

/// Tells Triton's trailing scratch pointers from the user's parameters by the number of arguments that are given,
/// where nothing else says how many there are. What does not come out is left as it is: then
/// [`encode`](super::encode) speaks of the wrong number of arguments.
pub fn resolve_scratch(meta: &mut LaunchMeta, given: usize) {
    let params = &mut meta.params.value;
    let Some(trailing) = params.get(given..).filter(|trailing| matches!(trailing.len(), 1 | 2)) else { return };
    if meta.scratch_params.is_default() && trailing.iter().all(Param::may_be_scratch) {
        let count = trailing.len() as u32;
        params.truncate(given);
        meta.scratch_params = Sourced::default(count, "trailing pointers without an argument");
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::Stage;

    /// The launch metadata of the kernel `name`, or the only one, in a text of PTX.
    pub(in crate::meta) fn from_text(text: &str, name: Option<&str>) -> Result<LaunchMeta> {
        from_ptx(&Artifact::new(Stage::Ptx, text.as_bytes()), name)
    }

    /// As Triton 3.4 writes it for sm_80: the last pointer is Triton's own.
    const PTX: &str = "\
.version 8.7
.target sm_80
.address_size 64
.extern .shared .align 16 .b8 global_smem[];
.visible .entry add(
	.param .u64 .ptr .global .align 1 add_param_0,
	.param .u32 add_param_1,
	.param .u64 .ptr .global .align 1 add_param_2
)
.reqntid 64
{
	.reg .b32 %r<2>;
	mov.b32 %r1, global_smem;
	ret;
}
.visible .entry other()
{
	ret;
}
";

    #[test]
    fn directives_say_what_they_say_and_the_rest_is_a_default() {
        let meta = from_text(PTX, Some("add")).expect("is read");
        assert_eq!((meta.threads.value, meta.num_warps.value), (64, 2));
        assert_eq!(meta.threads.origin.to_string(), ".reqntid");
        assert_eq!(meta.shared, Sourced::default(MOST_SHARED, "the device's limit"));
        assert_eq!(meta.cluster.value, [1; 3]);
        let types: Vec<String> = meta.params.value.iter().map(Param::type_name).collect();
        assert_eq!(types, ["*?", "u32", "*?"]);
        assert_eq!(from_text(PTX, Some("other")).expect("is read").shared.value, 0);
    }

    #[test]
    fn the_number_of_arguments_tells_scratch_from_parameters() {
        let with = |given: usize| {
            let mut meta = from_text(PTX, Some("add")).expect("is read");
            resolve_scratch(&mut meta, given);
            (meta.params.value.len(), meta.scratch_params.value)
        };
        assert_eq!([with(3), with(2), with(1), with(0)], [(3, 0), (2, 1), (3, 0), (3, 0)]);
    }

    #[test]
    fn several_entries_want_a_name() {
        let error = from_text(PTX, None).expect_err("which?");
        assert_eq!((error.code, error.labels.len()), ("which-entry", 2));
        let error = from_text(PTX, Some("othr")).expect_err("unknown");
        assert_eq!(
            (error.code, error.help.as_slice()),
            ("unknown-entry", ["did you mean `other`?".to_owned()].as_slice())
        );
        let error = from_text(".version 8.7\n.target sm_80\n.address_size 64\n", None).expect_err("none");
        assert_eq!(error.code, "no-entry");
    }

    #[test]
    fn the_comment_says_what_the_text_does_not() {
        let text =
            format!("// warpbook: shared=1024 threads=32 warps=1 scratch=256/128 params=x:*fp16%16,n:i32\n{PTX}");
        let meta = from_text(&text, Some("add")).expect("is read");
        assert_eq!(meta.shared, Sourced::new(1024, Origin::Comment));
        assert_eq!((meta.threads.value, meta.num_warps.value), (64, 1), "a directive wins; warps may be fewer");
        assert_eq!(meta.scratch_params, Sourced::new(1, Origin::Comment));
        assert_eq!(meta.global_scratch.value, Scratch { size: 256, align: 128 });
        let types: Vec<String> = meta.params.value.iter().map(Param::type_name).collect();
        assert_eq!(types, ["*fp16", "i32"]);
        assert_eq!(meta.params.value[0].divisibility, Some(16));
    }

    #[test]
    fn cuda_c_has_blocks_of_several_dimensions_grids_of_blocks_and_structures() {
        let text = ".version 8.4\n.target sm_90\n.address_size 64\n\
            .visible .entry k(.param .u64 p, .param .align 8 .b8 s[24])\n\
            .explicitcluster\n.reqnctapercluster 2, 1, 1\n.reqntid 8, 4, 2\n{\nret;\n}\n";
        let meta_of = |text: &str| {
            let module = warpbook_ptx::parse(text).expect("PTX");
            meta_from_entry(&module, choose(&module, None).expect("an entry"))
        };
        let meta = meta_of(text).expect("it has what a launch needs");
        assert_eq!((meta.threads.value, meta.block_extents(), meta.num_warps.value), (64, [8, 4, 2], 2));
        assert_eq!(
            (meta.params.value[1].kind.clone(), meta.params.value[1].type_name()),
            (ParamKind::Bytes, "bytes24".into())
        );
        assert!(meta.grid_counts_blocks);
        // Triton's grids count clusters.
        let of_triton = format!("//\n// Generated by LLVM NVPTX Back-End\n//\n{text}");
        assert!(!meta_of(&of_triton).expect("it has what a launch needs").grid_counts_blocks);
        let error = meta_of(&text.replace("8, 4, 2", "64, 64, 1")).expect_err("4096 threads");
        assert!(error.message.contains("64 × 64 × 1 threads"), "{}", error.message);
    }
}
