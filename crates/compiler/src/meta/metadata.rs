//! The metadata that Triton's compiler returns beside the code, together with what the code and the reader's text say.

use serde_json::Value;

use super::{LaunchMeta, Origin, Scratch, Sourced, TensorDesc, comment, ptx, signature};
use crate::{Artifact, Binding, CompileRequest, Stage};
use warpbook_diagnostic::{Result, Source};
use warpbook_ir::mlir;
use warpbook_ir::triton_version::GpuDialect;

/// What a launch needs to know about a compilation's result. `metadata` is Triton's own, whose keys differ between its
/// versions; `code` is the PTX, unless the compilation ended before it.
pub fn from_compiler(
    metadata: &Value,
    request: &CompileRequest,
    code: Option<&Artifact>,
    binding: Option<&Binding>,
) -> Result<LaunchMeta> {
    let text = &*request.text;
    let is_mlir = request.entry.is_mlir();
    let is_ours = is_mlir || request.entry.is_python();
    // The stages below TTGIR are given no module, and their metadata holds mere defaults of options.
    let name = if is_ours { metadata["name"].as_str() } else { request.name.as_deref() };
    let mut meta = match code {
        Some(code) => meta_from_code(code, name, request)?,
        None => without_code(name.or(request.name.as_deref()).unwrap_or("kernel")),
    };
    if let Some(fusion) = metadata["enable_fp_fusion"].as_bool() {
        meta.fp_fusion = Sourced::new(fusion, Origin::Compiler);
    }
    if is_ours {
        for (key, field) in [("launch_cooperative_grid", &mut meta.cooperative), ("launch_pdl", &mut meta.dependent)] {
            // The option's default is no fact about the text.
            if metadata[key].as_bool() == Some(true) {
                *field = Sourced::new(true, Origin::Compiler);
            }
        }
        if name.is_some() {
            meta.entry.origin = Origin::Compiler;
        }
        take(&mut meta, metadata);
        meta.threads.origin = meta.num_warps.origin.clone();
    }
    if request.entry == Stage::Llir && text.contains("nvvm.reqntid") {
        let attribute = Origin::IrAttribute("nvvm.reqntid".to_owned());
        [&mut meta.threads, &mut meta.num_warps].into_iter().for_each(|field| field.origin = attribute.clone());
    }
    let functions = if is_mlir { mlir::functions(text) } else { Vec::new() };
    if is_mlir {
        take_attributes(&mut meta, &mlir::module_attributes(text));
    }
    let declared = binding.map(signature::from_binding).or_else(|| {
        let entry = &meta.entry.value;
        signature::from_function(functions.iter().find(|function| function.name == *entry)?)
    });
    if let Some(declared) = declared {
        let origin = if binding.is_some() { Origin::Compiler } else { Origin::IrAttribute("tt.func".to_owned()) };
        match code.map(|_| signature::matched(&declared, &meta.params.value)) {
            Some(Some((params, scratch))) => {
                meta.params = Sourced::new(params, origin);
                meta.scratch_params = Sourced::new(scratch as u32, Origin::Compiler);
            }
            // The code is what is launched: it is right about its own parameters.
            Some(None) => {}
            None => meta.params = Sourced::new(signature::uncompiled(&declared), origin),
        }
    }
    if !request.entry.is_python()
        && let Some(comment) = comment::read(text)?
    {
        comment.apply(&mut meta)?;
    }
    Ok(meta)
}

fn meta_from_code(code: &Artifact, name: Option<&str>, request: &CompileRequest) -> Result<LaunchMeta> {
    let read = || {
        let module = code.syntax()?;
        let name = name.filter(|name| request.entry == Stage::Ptx || module.function(name).is_some());
        ptx::meta_from_entry(module, ptx::choose(module, name)?)
    };
    read().map_err(|error| match request.entry {
        Stage::Ptx => error,
        // Its places are in a text that the reader did not write.
        _ => error.in_source(&Source::new("kernel.ptx", code.text().unwrap_or_default())),
    })
}

fn without_code(name: &str) -> LaunchMeta {
    fn unknown<T: Default>() -> Sourced<T> {
        Sourced::default(T::default(), "not compiled far enough to know")
    }
    LaunchMeta {
        entry: Sourced::default(name.to_owned(), "the kernel's own name"),
        params: unknown(),
        scratch_params: unknown(),
        num_warps: Sourced { value: 4, ..unknown() },
        threads: Sourced { value: 128, ..unknown() },
        block: None,
        shared: unknown(),
        grid_counts_blocks: false,
        cluster: Sourced::default([1; 3], "one block"),
        global_scratch: unknown(),
        profile_scratch: unknown(),
        tmem: unknown(),
        tensor_descs: Vec::new(),
        fp_fusion: Sourced { value: true, ..unknown() },
        cooperative: unknown(),
        dependent: unknown(),
    }
}

fn take(meta: &mut LaunchMeta, metadata: &Value) {
    let number = |key: &str| metadata[key].as_u64();
    let small = |key: &str| number(key).and_then(|value| u32::try_from(value).ok());
    let threads_are_known = !meta.threads.is_default();
    if let Some(warps) = small("num_warps") {
        meta.num_warps = Sourced::new(warps, Origin::Compiler);
        // The directive of the code counts the warps of warp-specialised partitions too.
        if !threads_are_known {
            meta.threads = Sourced::new(32 * warps, Origin::Compiler);
        }
    }
    if let Some(shared) = small("shared") {
        meta.shared = Sourced::new(shared, Origin::Compiler);
    }
    if let Some(columns) = small("tmem_size") {
        meta.tmem = Sourced::new(columns, Origin::Compiler);
    }
    let dims: Vec<u32> = metadata["cluster_dims"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|extent| extent.as_u64().and_then(|extent| u32::try_from(extent).ok()))
        .collect();
    let cluster = match (<[u32; 3]>::try_from(dims), small("num_ctas")) {
        (Ok(dims), _) if dims != [1; 3] => Some(dims),
        (dims, ctas) => ctas.map(|ctas| [ctas, 1, 1]).or(dims.ok()),
    };
    if let Some(cluster) = cluster.filter(|_| meta.cluster.is_default()) {
        meta.cluster = Sourced::new(cluster, Origin::Compiler);
    }
    for (key, field) in [("global_scratch", &mut meta.global_scratch), ("profile_scratch", &mut meta.profile_scratch)] {
        if let Some(size) = number(&format!("{key}_size")) {
            let align = number(&format!("{key}_align")).unwrap_or(1);
            *field = Sourced::new(Scratch { size, align }, Origin::Compiler);
        }
    }
    meta.tensor_descs = metadata["tensordesc_meta"].as_array().into_iter().flatten().filter_map(tensor_desc).collect();
}

fn tensor_desc(value: &Value) -> Option<TensorDesc> {
    let number = |value: &Value| value.as_u64().and_then(|value| u32::try_from(value).ok());
    Some(TensorDesc {
        swizzle: number(&value["swizzle"])?,
        element_size: number(&value["elem_size"])?,
        element_type: number(&value["elem_type"])?,
        block_size: value["block_size"].as_array()?.iter().map(number).collect::<Option<_>>()?,
        fp4_padded: value["fp4_padded"].as_bool().unwrap_or(false),
    })
}

/// Says that it was the text's own attributes, where it was.
fn take_attributes(meta: &mut LaunchMeta, attributes: &[(String, String)]) {
    let find = |name: &str| {
        let is_it = |known: &str| GpuDialect::strip(known) == Some(name);
        let (known, value) = attributes.iter().find(|(known, _)| is_it(known))?;
        Some((mlir::integer(value)?, Origin::IrAttribute(known.clone())))
    };
    let note = |field: &mut Sourced<u32>, factor: u32, name: &str| {
        if let Some((value, origin)) = find(name)
            && value.checked_mul(factor) == Some(field.value)
        {
            field.origin = origin;
        }
    };
    note(&mut meta.num_warps, 1, "num-warps");
    note(&mut meta.threads, 32, "num-warps");
    note(&mut meta.threads, 32, "total-num-warps");
    note(&mut meta.shared, 1, "shared");
    note(&mut meta.tmem, 1, "tensor_memory_size");
    if let Some((ctas, origin)) = find("num-ctas")
        && ctas == meta.cluster.value.iter().product::<u32>()
        && meta.cluster.origin == Origin::Compiler
    {
        meta.cluster.origin = origin;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{BoundParam, Target, meta::ParamKind};

    /// With a 2-D descriptor as Triton 3.4 compiles it for sm_90, and two scratch pointers as of 3.5.
    const PTX: &str = "\
.version 8.7
.target sm_90a
.address_size 64
.extern .shared .align 16 .b8 global_smem[];
.visible .entry k(
	.param .align 64 .b8 k_param_0[128],
	.param .u32 k_param_1,
	.param .u32 k_param_2,
	.param .u64 k_param_3,
	.param .u64 k_param_4,
	.param .u64 .ptr .global .align 1 k_param_5,
	.param .u32 k_param_6,
	.param .u64 .ptr .global .align 1 k_param_7,
	.param .u64 .ptr .global .align 1 k_param_8
)
.reqntid 384
{
	.reg .b32 %r<2>;
	mov.b32 %r1, global_smem;
	ret;
}
";

    const TTGIR: &str = "\
module attributes {\"ttg.num-ctas\" = 1 : i32, \"ttg.num-warps\" = 4 : i32, \"ttg.total-num-warps\" = 12 : i32} {
  tt.func public @k(%a: !tt.tensordesc<tensor<128x64xf16, #shared>>, %a_0: i32, %a_1: i32, %a_2: i64, %a_3: i64, \
%b: !tt.ptr<f16> {tt.divisibility = 16 : i32}, %n: i32) attributes {noinline = false} {
    tt.return
  }
}
";

    fn ptx(text: &str) -> Artifact {
        Artifact::new(Stage::Ptx, text.as_bytes())
    }

    fn metadata() -> Value {
        json!({
            "name": "k", "shared": 16392, "num_warps": 4, "num_ctas": 1, "cluster_dims": [1, 1, 1],
            "global_scratch_size": 128, "global_scratch_align": 128, "tmem_size": 0, "enable_fp_fusion": false,
            "profile_scratch_size": 0, "profile_scratch_align": 1,
            "tensordesc_meta": [
                {"swizzle": 3, "elem_size": 2, "elem_type": 6, "block_size": [128, 64], "fp4_padded": false}
            ],
        })
    }

    fn shown(meta: &LaunchMeta) -> Vec<String> {
        meta.params.value.iter().map(|param| format!("{}: {}", param.name, param.type_name())).collect()
    }

    #[test]
    fn a_module_says_what_its_attributes_say() {
        let request = CompileRequest::new(Stage::Ttgir, Stage::Ptx, TTGIR, Target(90));
        let meta = from_compiler(&metadata(), &request, Some(&ptx(PTX)), None).expect("is read");
        assert_eq!((meta.num_warps.value, meta.num_warps.origin.to_string()), (4, "ttg.num-warps".into()));
        assert_eq!((meta.threads.value, meta.threads.origin.to_string()), (384, "ttg.total-num-warps".into()));
        assert_eq!(meta.shared, Sourced::new(16392, Origin::Compiler));
        assert_eq!(meta.scratch_params.value, 2);
        assert_eq!(meta.global_scratch.value, Scratch { size: 128, align: 128 });
        assert!(!meta.fp_fusion.value);
        assert_eq!(
            shown(&meta),
            ["a: tensormap", "a_0: i32", "a_1: i32", "a_2: i64", "a_3: i64", "b: *fp16", "n: i32"]
        );
        assert_eq!(meta.params.value[5].divisibility, Some(16));
        assert_eq!(meta.tensor_descs[0].block_size, [128, 64]);
    }

    #[test]
    fn a_binding_knows_the_names_and_descriptors_are_taken_apart() {
        let bound = |name: &str, ty: &str, divisibility| BoundParam {
            name: name.into(),
            path: Vec::new(),
            ty: ty.into(),
            value: Value::Null,
            divisibility,
        };
        let binding = Binding {
            names: Vec::new(),
            constants: Vec::new(),
            params: vec![
                bound("a", "tensordesc<fp16[128, 64]>", None),
                bound("b", "*fp16", None),
                bound("n", "i32", Some(16)),
            ],
            specialised: Vec::new(),
            configs: 0,
            config: String::new(),
        };
        let request = CompileRequest::new(Stage::Triton, Stage::Ptx, "def k(a, b, n): pass", Target(90));
        let meta = from_compiler(&metadata(), &request, Some(&ptx(PTX)), Some(&binding)).expect("is read");
        let expected = ["a: tensormap", "a.shape[0]: i32", "a.shape[1]: i32", "a.stride(0): i64", "a.stride(1): i64"];
        assert_eq!(shown(&meta)[..5], expected);
        assert_eq!(shown(&meta)[5..], ["b: *fp16", "n: i32"]);
        // Below sm_90 a descriptor is a pointer with extents and strides, which then follow once more.
        let below = PTX.replace(
            ".param .align 64 .b8 k_param_0[128],",
            ".param .u64 .ptr .global .align 1 p, .param .u64 p0, .param .u64 p1, .param .u64 p2, .param .u64 p3, .param .u8 p4,",
        );
        let meta = from_compiler(&metadata(), &request, Some(&ptx(&below)), Some(&binding)).expect("is read");
        assert_eq!(meta.params.value.len(), 12);
        assert_eq!(shown(&meta)[..2], ["a: *fp16", "a.shape[0]: i64"]);
        assert_eq!(meta.scratch_params.value, 2);
    }

    #[test]
    fn below_ttgir_metadata_is_mere_options() {
        let text =
            "; warpbook: shared=512 params=a:tensormap,h:i32,w:i32,y:i64,x:i64,b:*fp16%16,n:i32\ndefine void @k()\n";
        let request = CompileRequest::new(Stage::Llir, Stage::Ptx, text, Target(90));
        let metadata = json!({"num_warps": 4, "num_ctas": 1, "cluster_dims": [1, 1, 1], "enable_fp_fusion": true});
        let meta = from_compiler(&metadata, &request, Some(&ptx(PTX)), None).expect("is read");
        assert_eq!((meta.num_warps.value, meta.threads.value), (12, 384));
        assert_eq!(meta.shared, Sourced::new(512, Origin::Comment));
        assert_eq!(meta.scratch_params, Sourced::new(2, Origin::Comment));
        assert_eq!(meta.params.value[5].kind, ParamKind::Pointer { element: Some("fp16".into()) });
        assert!(meta.fp_fusion.value);
    }

    #[test]
    fn an_edited_signature_wins_over_an_old_comment() {
        let text = format!(
            "// warpbook: shared=1 params=desc:tensormap,h:i32,w:i32,y:i64,x:i64,out:*fp32%16,n:i32%16\n{TTGIR}"
        )
        .replace(" {tt.divisibility = 16 : i32}", "");
        let request = CompileRequest::new(Stage::Ttgir, Stage::Ptx, text, Target(90));
        let meta = from_compiler(&metadata(), &request, Some(&ptx(PTX)), None).expect("is read");
        assert_eq!(meta.shared.value, 16392);
        assert_eq!(shown(&meta)[5..], ["out: *fp16", "n: i32"]);
        assert!(meta.params.value.iter().all(|param| param.divisibility.is_none()));
    }

    #[test]
    fn a_descriptor_s_tensor_stands_with_and_without_its_brackets() {
        // As Triton 3.8 writes it.
        let bare = TTGIR.replace("tensordesc<tensor<128x64xf16, #shared>>", "tensordesc<128x64xf16, #shared>");
        assert_ne!(bare, TTGIR);
        let shown = |text: &str| {
            let request = CompileRequest::new(Stage::Ttgir, Stage::Ptx, text, Target(90));
            shown(&from_compiler(&metadata(), &request, Some(&ptx(PTX)), None).expect("is read"))
        };
        assert_eq!(shown(&bare), shown(TTGIR));
    }

    #[test]
    fn what_was_not_compiled_to_ptx_has_its_signature() {
        let request = CompileRequest::new(Stage::Ttgir, Stage::Ttgir, TTGIR, Target(90));
        let meta = from_compiler(&json!({"num_warps": 4, "name": "k"}), &request, None, None).expect("is read");
        assert_eq!(shown(&meta).len(), 7);
        assert!(meta.shared.is_default());
    }

    #[test]
    fn an_edited_text_keeps_what_its_parent_knows() {
        let request = CompileRequest::new(Stage::Ttgir, Stage::Ptx, TTGIR, Target(90));
        let parent = from_compiler(&metadata(), &request, Some(&ptx(PTX)), None).expect("is read");
        let mut meta = crate::meta::from_ptx(&ptx(PTX), None).expect("is read");
        crate::meta::inherit(&mut meta, &parent, 3);
        assert_eq!(meta.shared, Sourced::new(16392, Origin::Parent(3)));
        assert_eq!((meta.num_warps.value, meta.threads.value), (4, 384));
        assert_eq!(meta.threads.origin.to_string(), ".reqntid");
        assert_eq!(shown(&meta), shown(&parent));
        assert_eq!(meta.scratch_params.value, 2);
        let mut other = crate::meta::from_ptx(&ptx(&PTX.replace("k_param_1,", "k_param_1, .param .u32 more,")), None)
            .expect("is read");
        crate::meta::inherit(&mut other, &parent, 3);
        assert_eq!((other.params.value.len(), other.scratch_params.value), (10, 0), "another signature");
    }
}
