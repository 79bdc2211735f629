//! The `// warpbook:` comment: facts that a launch needs and that the text does not state, in one line at its top.
//!
//! ```text
//! // warpbook: shared=98304 threads=128 warps=4 cluster=2,1,1 scratch=256/128 scratch_params=1 fp_fusion=true params=a:*fp16%16,M:i32
//! ```
//! Fields are `key=value`, apart by spaces, in any order, each of them optional; a person may edit them. `scratch` and
//! `profile` are bytes/alignment per program. `params` gives name, type and, after `%`, the divisibility that the code
//! was compiled under; `options` (of TTIR) name:value pairs that the compiler was given; `triton` the version that is
//! to compile the text. `tensordesc` has one `swizzle/element bytes/element type/box[/fp4]` for each descriptor
//! parameter. What the text says itself (`.reqntid`) wins over the comment.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::ops::Range;
use std::str::FromStr;
use warpbook_gpu::ElementType;
use warpbook_ptx::PtxType;

use serde_json::Value;

use super::{LaunchMeta, Origin, Param, ParamKind, Scratch, Sourced, TensorDesc};
use crate::Stage;
use warpbook_diagnostic::{Diagnostic, Result, nearest};

const TAG: &str = "warpbook:";
/// Triton's name of the option behind `fp_fusion`.
const FUSION: &str = "enable_fp_fusion";

const KEYS: [&str; 16] = [
    "triton",
    "shared",
    "threads",
    "block",
    "warps",
    "cluster",
    "scratch",
    "profile",
    "scratch_params",
    "tmem",
    "fp_fusion",
    "cooperative",
    "pdl",
    "options",
    "tensordesc",
    "params",
];

/// A parameter as the comment names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedParam {
    /// Name of the parameter in the source.
    pub name: String,
    /// `*fp16`, `i32`, `tensormap`; `*?` where the pointee is not known.
    pub ty: String,
    /// `tt.divisibility` that the code was compiled under.
    pub divisibility: Option<u32>,
}

/// A parsed comment: its fields, and where they stand in the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comment {
    /// Bytes of the comment in the text.
    pub span: Range<usize>,
    /// The version of Triton that wrote the text, and is to compile it.
    pub triton: Option<String>,
    /// Dynamic shared memory, bytes.
    pub shared: Option<u32>,
    /// Threads per block.
    pub threads: Option<u32>,
    /// Extents of a block of more than one dimension.
    pub block: Option<[u32; 3]>,
    /// Warps as Triton counts them.
    pub warps: Option<u32>,
    /// Blocks per cluster.
    pub cluster: Option<[u32; 3]>,
    /// Global scratch per program.
    pub scratch: Option<Scratch>,
    /// Profile scratch per program.
    pub profile: Option<Scratch>,
    /// Trailing pointer parameters of Triton's own.
    pub scratch_params: Option<u32>,
    /// Tensor memory columns.
    pub tmem: Option<u32>,
    /// True if multiplications and additions may be contracted into one `fma`.
    pub fp_fusion: Option<bool>,
    /// True if all blocks have to be resident together.
    pub cooperative: Option<bool>,
    /// True if it is a programmatic dependent launch.
    pub dependent: Option<bool>,
    /// Options that the compiler was given: integers and booleans.
    pub options: Option<Vec<(String, Value)>>,
    /// How each host descriptor is encoded.
    pub tensor_descs: Option<Vec<TensorDesc>>,
    /// The user's parameters, and the bytes of this field.
    pub params: Option<(Vec<NamedParam>, Range<usize>)>,
}

/// The text with the comment in its first line; a comment that it has already is replaced. The text of a cubin is its
/// base64. Python is returned as it is.
pub fn annotate(stage: Stage, text: &str, meta: &LaunchMeta) -> String {
    annotate_compiled(stage, text, meta, &BTreeMap::new(), None)
}

/// As [`annotate`]; what Triton still has to compile also gets its version, and TTIR, which does not say for how many
/// warps it will be compiled, the compiler's options.
pub fn annotate_compiled(
    stage: Stage,
    text: &str,
    meta: &LaunchMeta,
    options: &BTreeMap<String, Value>,
    triton: Option<&str>,
) -> String {
    let lead = match stage {
        Stage::Glir | Stage::Ttir | Stage::Ttgir | Stage::Ptx | Stage::Cubin => "//",
        Stage::Llir => ";",
        Stage::Triton | Stage::Gluon | Stage::Sass => return text.to_owned(),
    };
    let plain = |(name, value): (&String, &Value)| match value {
        // It has a field of its own.
        _ if name == FUSION || stage != Stage::Ttir => None,
        Value::Number(_) | Value::Bool(_) => Some(format!("{name}:{value}")),
        _ => None,
    };
    let options: Vec<String> = options.iter().filter_map(plain).collect();
    let rest: String = text.split_inclusive('\n').filter(|line| body_of(line).is_none()).collect();
    let triton = triton.filter(|_| stage < Stage::Ptx).map(|version| format!(" triton={version}")).unwrap_or_default();
    format!("{lead} {TAG}{triton}{}\n{rest}", fields(meta, &options.join(",")))
}

fn fields(meta: &LaunchMeta, options: &str) -> String {
    let mut text = String::new();
    let mut field = |key: &str, value: &dyn Display| {
        let _ = write!(text, " {key}={value}");
    };
    // A guess is no fact: the next reader makes its own.
    if !meta.shared.is_default() {
        field("shared", &meta.shared.value);
    }
    if !meta.threads.is_default() {
        field("threads", &meta.threads.value);
        if let Some([x, y, z]) = meta.block {
            field("block", &format_args!("{x},{y},{z}"));
        }
    }
    if !meta.num_warps.is_default() {
        field("warps", &meta.num_warps.value);
    }
    if !meta.cluster.is_default() {
        let [x, y, z] = meta.cluster.value;
        field("cluster", &format_args!("{x},{y},{z}"));
    }
    for (key, scratch) in [("scratch", &meta.global_scratch), ("profile", &meta.profile_scratch)] {
        if !scratch.is_default() {
            field(key, &format_args!("{}/{}", scratch.value.size, scratch.value.align));
        }
    }
    if !meta.scratch_params.is_default() || meta.scratch_params.value > 0 {
        field("scratch_params", &meta.scratch_params.value);
    }
    if meta.tmem.value > 0 {
        field("tmem", &meta.tmem.value);
    }
    if !meta.fp_fusion.is_default() {
        field("fp_fusion", &meta.fp_fusion.value);
    }
    for (key, flag) in [("cooperative", &meta.cooperative), ("pdl", &meta.dependent)] {
        if !flag.is_default() {
            field(key, &flag.value);
        }
    }
    if !options.is_empty() {
        field("options", &options);
    }
    if !meta.tensor_descs.is_empty() {
        field("tensordesc", &join(&meta.tensor_descs, tensor_desc));
    }
    field("params", &join(&meta.params.value, param));
    text
}

fn join<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    items.iter().map(show).collect::<Vec<_>>().join(",")
}

fn param(param: &Param) -> String {
    let divisibility = param.divisibility.map_or_else(String::new, |divisor| format!("%{divisor}"));
    format!("{}:{}{divisibility}", param.name, param.type_name())
}

fn tensor_desc(desc: &TensorDesc) -> String {
    let extents: Vec<String> = desc.block_size.iter().map(u32::to_string).collect();
    let padded = if desc.fp4_padded { "/fp4" } else { "" };
    format!("{}/{}/{}/{}{padded}", desc.swizzle, desc.element_size, desc.element_type, extents.join("x"))
}

/// The text after `// warpbook:` in a line, with its offset in the line.
fn body_of(line: &str) -> Option<(usize, &str)> {
    let comment = line.trim_start();
    let body = comment.strip_prefix("//").or_else(|| comment.strip_prefix(';'))?.trim_start().strip_prefix(TAG)?;
    Some((line.len() - body.len(), body.trim_end()))
}

/// The comment of a text, if it has one. Spans of errors are bytes of the text.
pub fn read(text: &str) -> Result<Option<Comment>> {
    let mut found: Option<Comment> = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some((offset, body)) = body_of(line) {
            let span = start + line.len() - line.trim_start().len()..start + offset + body.len();
            if let Some(first) = &found {
                let error = Diagnostic::error("warpbook-comment", "there are two warpbook comments");
                return Err(error.at(span, "").because(first.span.clone(), "the first one"));
            }
            found = Some(parse(body, start + offset, span)?);
        }
        start += line.len();
    }
    Ok(found)
}

fn parse(body: &str, offset: usize, span: Range<usize>) -> Result<Comment> {
    let mut comment = Comment { span, ..Comment::default() };
    let mut seen: Vec<&str> = Vec::new();
    for field in body.split_whitespace() {
        // `split_whitespace` gives parts of `body`.
        let start = offset + (field.as_ptr() as usize - body.as_ptr() as usize);
        let Some((key, value)) = field.split_once('=') else {
            return Err(wrong(start..start + field.len(), format!("`{field}` is not of the form `key=value`")));
        };
        let key_span = start..start + key.len();
        let value_span = start + key.len() + 1..start + field.len();
        if seen.contains(&key) {
            return Err(wrong(key_span, format!("`{key}` is given twice")));
        }
        seen.push(key);
        let expected = match key {
            "triton" => set(&mut comment.triton, Some(value.to_owned()), "a version"),
            "shared" => set(&mut comment.shared, number(value), "a number of bytes"),
            "threads" => {
                let threads = number(value).filter(|threads| (1..=1024).contains(threads));
                set(&mut comment.threads, threads, "1 to 1024 threads")
            }
            "block" => set(&mut comment.block, cluster(value), "one to three positive extents: 16,16,1"),
            "warps" => set(&mut comment.warps, number(value).filter(|warps| (1..=32).contains(warps)), "1 to 32 warps"),
            "cluster" => set(&mut comment.cluster, cluster(value), "one to three positive extents: 2,1,1"),
            "scratch" => set(&mut comment.scratch, scratch(value), "bytes/alignment: 256/128"),
            "profile" => set(&mut comment.profile, scratch(value), "bytes/alignment: 256/128"),
            "scratch_params" => {
                set(&mut comment.scratch_params, number(value).filter(|count| *count <= 2), "0, 1 or 2")
            }
            "tmem" => set(&mut comment.tmem, number(value), "a number of columns"),
            "fp_fusion" => set(&mut comment.fp_fusion, value.parse().ok(), "true or false"),
            "cooperative" => set(&mut comment.cooperative, value.parse().ok(), "true or false"),
            "pdl" => set(&mut comment.dependent, value.parse().ok(), "true or false"),
            "options" => {
                set(&mut comment.options, list(value, read_option), "name:value, apart by commas: num_stages:3")
            }
            "tensordesc" => set(
                &mut comment.tensor_descs,
                list(value, read_tensor_desc),
                "swizzle/element bytes/element type/box for each descriptor: 3/2/6/128x64",
            ),
            "params" => {
                let params = list(value, read_param).map(|params| (params, start..start + field.len()));
                set(&mut comment.params, params, "name:type or name:type%divisor, apart by commas: a:*fp16%16,n:i32")
            }
            _ => {
                let error = Diagnostic::error("warpbook-comment", format!("the warpbook comment has no `{key}`"));
                let error = error.at(key_span, "");
                return Err(match nearest(key, KEYS) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.note(format!("it has: {}", KEYS.join(", "))),
                });
            }
        };
        expected.map_err(|expected| wrong(value_span, format!("`{key}` takes {expected}")))?;
    }
    Ok(comment)
}

fn wrong(span: Range<usize>, message: String) -> Diagnostic {
    Diagnostic::error("warpbook-comment", message).at(span, "")
}

fn set<T>(field: &mut Option<T>, value: Option<T>, expected: &'static str) -> Result<(), &'static str> {
    *field = Some(value.ok_or(expected)?);
    Ok(())
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    text.replace('_', "").parse().ok()
}

fn list<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    if text.is_empty() { Some(Vec::new()) } else { text.split(',').map(read).collect() }
}

fn cluster(text: &str) -> Option<[u32; 3]> {
    let mut extents = [1; 3];
    let given = list(text, number::<u32>)?;
    if given.is_empty() || given.len() > 3 || given.contains(&0) {
        return None;
    }
    extents.iter_mut().zip(given).for_each(|(extent, value)| *extent = value);
    Some(extents)
}

fn scratch(text: &str) -> Option<Scratch> {
    let (size, align) = text.split_once('/')?;
    let align = number(align).filter(|align: &u64| align.is_power_of_two())?;
    Some(Scratch { size: number(size)?, align })
}

fn read_tensor_desc(text: &str) -> Option<TensorDesc> {
    let (text, fp4_padded) = match text.strip_suffix("/fp4") {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let mut parts = text.split('/');
    let mut next = || parts.next();
    let swizzle = number(next()?).filter(|swizzle| *swizzle <= 3)?;
    let element_size = number(next()?)?;
    let element_type = number(next()?)?;
    let block_size = next()?.split('x').map(number).collect::<Option<Vec<u32>>>()?;
    next().is_none().then_some(TensorDesc { swizzle, element_size, element_type, block_size, fp4_padded })
}

fn read_option(text: &str) -> Option<(String, Value)> {
    let (name, value) = text.split_once(':')?;
    let value = match value {
        "true" | "True" => Value::Bool(true),
        "false" | "False" => Value::Bool(false),
        value => Value::from(number::<i64>(value)?),
    };
    (!name.is_empty()).then(|| (name.to_owned(), value))
}

fn read_param(text: &str) -> Option<NamedParam> {
    let (name, ty) = text.split_once(':')?;
    let (ty, divisibility) = match ty.split_once('%') {
        Some((ty, divisor)) => (ty, Some(number(divisor).filter(|divisor| *divisor > 0)?)),
        None => (ty, None),
    };
    let is_known = matches!(ty, "tensormap" | "*?") || width(ty.strip_prefix('*').unwrap_or(ty)).is_some();
    (is_known && !name.is_empty()).then(|| NamedParam { name: name.to_owned(), ty: ty.to_owned(), divisibility })
}

/// Bytes of a scalar by Triton's or PTX's name of its type.
pub(super) fn width(ty: &str) -> Option<u32> {
    // Triton's name of a boolean in a signature.
    let ty = if ty == "u1" { "i1" } else { ty };
    ElementType::from_triton(ty).map(ElementType::bytes).or_else(|| ty.parse().ok().map(PtxType::size))
}

impl Comment {
    /// Compiler options for a compilation from `stage` on that give what the comment describes.
    pub fn compile_options(&self, stage: Stage) -> Vec<(String, Value)> {
        let mut options = self.options.clone().unwrap_or_default();
        if stage == Stage::Ttir {
            let ctas = self.cluster.map(|cluster| cluster.iter().product());
            for (name, value) in [("num_warps", self.warps), ("num_ctas", ctas)] {
                if let Some(value) = value.filter(|_| options.iter().all(|(known, _)| known != name)) {
                    options.push((name.to_owned(), Value::from(value)));
                }
            }
        }
        options.extend(self.fp_fusion.map(|fusion| (FUSION.to_owned(), Value::Bool(fusion))));
        options
    }

    /// Fills the fields of `meta` that are still defaults.
    pub fn apply(&self, meta: &mut LaunchMeta) -> Result<()> {
        fn fill<T: Clone>(field: &mut Sourced<T>, value: Option<&T>) {
            if let Some(value) = value.filter(|_| field.is_default()) {
                *field = Sourced::new(value.clone(), Origin::Comment);
            }
        }
        let threads = self.threads.or(self.warps.map(|warps| warps * 32));
        if meta.threads.is_default() {
            let count = |block: &[u32; 3]| block.iter().try_fold(1u32, |all, &extent| all.checked_mul(extent));
            meta.block = self.block.filter(|block| count(block) == threads);
        }
        fill(&mut meta.threads, threads.as_ref());
        // Warp-specialised code has more threads than Triton counts warps, and PTX tells the threads only.
        match self.warps {
            Some(warps) if warps <= meta.threads.value.div_ceil(32) => {
                meta.num_warps = Sourced::new(warps, Origin::Comment);
            }
            _ if meta.num_warps.is_default() => {
                meta.num_warps = Sourced::new(meta.threads.value.div_ceil(32), meta.threads.origin.clone());
            }
            _ => {}
        }
        fill(&mut meta.shared, self.shared.as_ref());
        fill(&mut meta.cluster, self.cluster.as_ref());
        fill(&mut meta.global_scratch, self.scratch.as_ref());
        fill(&mut meta.profile_scratch, self.profile.as_ref());
        fill(&mut meta.tmem, self.tmem.as_ref());
        fill(&mut meta.fp_fusion, self.fp_fusion.as_ref());
        fill(&mut meta.cooperative, self.cooperative.as_ref());
        fill(&mut meta.dependent, self.dependent.as_ref());
        if meta.tensor_descs.is_empty() {
            meta.tensor_descs = self.tensor_descs.clone().unwrap_or_default();
        }
        self.apply_params(meta)
    }

    /// Splits off the scratch parameters and names the others.
    fn apply_params(&self, meta: &mut LaunchMeta) -> Result<()> {
        let all = meta.params.value.len();
        let (named, span) = match &self.params {
            Some((named, span)) => (Some(named), span.clone()),
            None => (None, self.span.clone()),
        };
        let ours = self.scratch_params.map(|count| count as usize);
        if meta.scratch_params.is_default() && meta.scratch_params.value == 0 {
            let trailing = ours.or(named.and_then(|named| all.checked_sub(named.len())));
            let trailing = trailing.filter(|&count| {
                let params = &meta.params.value;
                count <= params.len().min(2) && params.iter().rev().take(count).all(Param::may_be_scratch)
            });
            if let Some(count) = trailing {
                meta.params.value.truncate(all - count);
                meta.scratch_params = Sourced::new(count as u32, Origin::Comment);
            } else if ours.is_some() {
                let message = "the text ends in fewer pointer parameters than `scratch_params` gives";
                return Err(wrong(self.span.clone(), message.to_owned()));
            }
        }
        let Some(named) = named else { return Ok(()) };
        // The signature of TTIR and TTGIR says everything but the names.
        let keeps_types = matches!(meta.params.origin, Origin::IrAttribute(_) | Origin::Compiler);
        let params = &mut meta.params.value;
        if named.len() != params.len() {
            let message = format!("`params` names {} parameters, and the text has {}", named.len(), params.len());
            let error = Diagnostic::error("warpbook-comment", message).at(span, "");
            return Err(error.help("change `params` like the text, or take it out"));
        }
        for (param, named) in params.iter_mut().zip(named) {
            named.refine(param, keeps_types, &span)?;
        }
        if !keeps_types {
            meta.params.origin = Origin::Comment;
        }
        Ok(())
    }
}

impl NamedParam {
    /// Gives a parameter of the text its name and its type, if that is as wide.
    fn refine(&self, param: &mut Param, keeps_types: bool, span: &Range<usize>) -> Result<()> {
        let kind = match self.ty.strip_prefix('*') {
            Some("?") => ParamKind::Pointer { element: None },
            Some(element) => ParamKind::Pointer { element: Some(element.to_owned()) },
            None if self.ty == "tensormap" => ParamKind::TensorMap,
            None if self.ty == format!("bytes{}", param.size) => ParamKind::Bytes,
            None => ParamKind::Scalar { ty: self.ty.clone() },
        };
        let size = match &kind {
            ParamKind::Pointer { .. } => Some(8),
            ParamKind::TensorMap => Some(128),
            ParamKind::Bytes => Some(param.size),
            ParamKind::Scalar { ty } => width(ty),
        };
        let is_pointer = matches!(param.kind, ParamKind::Pointer { .. });
        if size != Some(param.size) || is_pointer && !matches!(kind, ParamKind::Pointer { .. }) {
            let (found, size) = (param.type_name(), param.size);
            let message = format!("`{}` is {}, and the text has {found} ({size} bytes)", self.name, self.ty);
            let error = Diagnostic::error("warpbook-comment", message).at(span.clone(), "");
            return Err(error.help("change `params` like the text, or take it out"));
        }
        param.name.clone_from(&self.name);
        if keeps_types {
            return Ok(());
        }
        param.divisibility = self.divisibility;
        // What PTX says is as wide, and may say more: `.f32`.
        let is_vague = match &param.kind {
            ParamKind::Pointer { element } => element.is_none(),
            ParamKind::Scalar { ty } => matches!(ty.get(..1), Some("b" | "u" | "s")) && ty != "bf16",
            ParamKind::TensorMap | ParamKind::Bytes => true,
        };
        if is_vague {
            param.kind = kind;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::ptx::tests::from_text;

    const PTX: &str = "\
.version 8.7
.target sm_90a
.address_size 64
.extern .shared .align 16 .b8 global_smem[];
.visible .entry k(
	.param .align 64 .b8 k_param_0[128],
	.param .u32 k_param_1,
	.param .u64 .ptr .global .align 1 k_param_2
)
.reqntid 384
{
	.reg .b32 %r<2>;
	mov.b32 %r1, global_smem;
	ret;
}
";

    const COMMENT: &str = "// warpbook: shared=98304 threads=384 warps=4 cluster=2,1,1 scratch=256/128 scratch_params=1 \
                           fp_fusion=false tensordesc=3/2/6/128x64 params=a:tensormap,n:i32%16\n";

    #[test]
    fn what_is_written_is_read_back() {
        let text = format!("{COMMENT}{PTX}");
        let meta = from_text(&text, None).expect("is read");
        assert_eq!((meta.threads.value, meta.num_warps.value, meta.shared.value), (384, 4, 98304));
        assert_eq!(meta.tensor_descs[0].block_size, [128, 64]);
        let again = annotate(Stage::Ptx, &text, &meta);
        assert_eq!(again, text);
        assert_eq!(from_text(&again, None).expect("is read"), meta);
        assert!(annotate(Stage::Llir, "define void @k()", &meta).starts_with("; warpbook: shared=98304 "));
        assert_eq!(annotate(Stage::Triton, "x", &meta), "x");
    }

    #[test]
    fn ttir_carries_the_options_that_it_is_compiled_with() {
        let meta = from_text(&format!("{COMMENT}{PTX}"), None).expect("is read");
        let options = [("num_stages", Value::from(3)), ("num_warps", Value::from(4)), (FUSION, Value::Bool(false))];
        let options = options.map(|(name, value)| (name.to_owned(), value)).into();
        let text = annotate_compiled(Stage::Ttir, "module {}", &meta, &options, Some("3.6.0"));
        assert_eq!(read(&text).expect("read").and_then(|comment| comment.triton).as_deref(), Some("3.6.0"));
        assert!(text.contains(" options=num_stages:3,num_warps:4 "), "{text}");
        let comment = read(&text).expect("is read").expect("a comment");
        let given: BTreeMap<_, _> = comment.compile_options(Stage::Ttir).into_iter().collect();
        let shown: Vec<String> = given.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["enable_fp_fusion=false", "num_ctas=2", "num_stages=3", "num_warps=4"]);
        assert!(!annotate_compiled(Stage::Ttgir, "module {}", &meta, &options, None).contains("options"));
    }

    #[test]
    fn a_guess_is_not_written_down() {
        let meta = from_text(PTX, None).expect("is read");
        let text = annotate(Stage::Ptx, PTX, &meta);
        let comment = text.lines().next().expect("a comment");
        let params = "k_param_0:tensormap,k_param_1:u32,k_param_2:*?";
        assert_eq!(comment, format!("// warpbook: threads=384 warps=12 params={params}"));
    }

    #[test]
    fn mistakes_have_their_place() {
        for (comment, at, says) in [
            ("// warpbook: shard=1", "shard", "has no `shard`"),
            ("// warpbook: shared=many", "many", "a number of bytes"),
            ("//warpbook: shared=1 shared=2", "shared", "given twice"),
            ("// warpbook: shared", "shared", "form `key=value`"),
            ("// warpbook: threads=4096", "4096", "1 to 1024"),
            ("// warpbook: scratch=256/3", "256/3", "bytes/alignment"),
            ("// warpbook: cluster=0", "0", "positive"),
            ("// warpbook: params=a:fp17", "a:fp17", "name:type"),
            ("// warpbook: params=a:i32", "params=a:i32", "names 1 parameters, and the text has 3"),
            ("// warpbook: params=a:tensormap,b:fp64,c:i32", "params=a:tensormap,b:fp64,c:i32", "4 bytes"),
            ("// warpbook: scratch_params=2", "// warpbook: scratch_params=2", "ends in fewer"),
        ] {
            let text = format!("{comment}\n{PTX}");
            let error = from_text(&text, None).expect_err(comment);
            assert_eq!(&text[error.labels[0].span.clone()], at, "{comment}");
            assert!(error.message.contains(says), "{error}");
        }
        let twice = format!("// warpbook: shared=1\n{PTX}// warpbook: shared=2\n");
        assert!(from_text(&twice, None).is_err());
    }
}
