//! What a cubin says about its launch: the attributes of `.nv.info.<kernel>`, as `cuobjdump -elf` names them.
//!
//! The section is a list of records: a format, an attribute, and a value of two bytes, or with its length before it.

use object::{Object, ObjectSection, ObjectSymbol, SymbolIndex};

use super::{LaunchMeta, Origin, Param, ParamKind, Scratch, Sourced, ptx};
use crate::{Artifact, Stage};
use warpbook_diagnostic::{Diagnostic, Result, nearest};

/// `EIFMT_SVAL`: two bytes of length, then the value.
const SIZED: u8 = 0x04;
const MAX_THREADS: u8 = 0x05;
const REQNTID: u8 = 0x10;
const FRAME_SIZE: u8 = 0x11;
const KPARAM_INFO: u8 = 0x17;
const REGCOUNT: u8 = 0x2f;
const CTA_PER_CLUSTER: u8 = 0x3d;
/// Before the name of a kernel, in the names of its sections.
const TEXT: &str = ".text.";

/// A parameter as `EIATTR_KPARAM_INFO` has it.
struct KernelParam {
    ordinal: u16,
    size: u32,
    is_pointer: bool,
}

/// What a cubin says about the launch of one kernel, the PTX that it carries included. `name` chooses the kernel
/// where there are several.
pub fn from_cubin(bytes: &[u8], name: Option<&str>) -> Result<LaunchMeta> {
    let file = object::File::parse(bytes).map_err(|error| {
        let error = Diagnostic::error("bad-cubin", "this is not a cubin").note(error.to_string());
        error.help("a cubin is an ELF file, in a cell as base64")
    })?;
    let kernels: Vec<&str> = file.sections().filter_map(|section| section.name().ok()?.strip_prefix(TEXT)).collect();
    let kernel = choose(&kernels, name)?;
    let section = file.section_by_name(&format!(".nv.info.{kernel}"));
    let info = section.and_then(|section| section.data().ok()).unwrap_or_default();
    let mut meta = match warpbook_ptx::embedded_in(&file).and_then(|text| meta_from_ptx(&text, kernel)) {
        Some(meta) => meta,
        None => without_ptx(kernel),
    };
    take(&mut meta, &records(info));
    Ok(meta)
}

/// Resources that a kernel's machine code needs per thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Number of 32-bit registers per thread.
    pub registers: u32,
    /// Bytes of local memory: spilled registers and local arrays.
    pub local: u32,
}

/// The PTX that a cubin carries, which is what the emulator runs of it; `None` if it carries none.
pub fn embedded_ptx(cubin: &Artifact) -> Option<Artifact> {
    let file = object::File::parse(&*cubin.content).ok()?;
    let text = warpbook_ptx::embedded_in(&file)?;
    Some(Artifact::new(Stage::Ptx, text.as_bytes()))
}

/// Reads registers and local memory of a kernel from `.nv.info`. `None` if the cubin does not have them.
pub fn resources(bytes: &[u8], kernel: &str) -> Option<Resources> {
    let file = object::File::parse(bytes).ok()?;
    let section = file.section_by_name(".nv.info")?;
    let value_of = |wanted: u8| {
        records(section.data().ok()?).into_iter().filter(|(code, _)| *code == wanted).find_map(|(_, value)| {
            let (symbol, number) = value.split_first_chunk::<4>()?;
            let symbol = file.symbol_by_index(SymbolIndex(u32::from_le_bytes(*symbol) as usize)).ok()?;
            let number = u32::from_le_bytes(*number.first_chunk()?);
            (symbol.name().ok()? == kernel).then_some(number)
        })
    };
    Some(Resources { registers: value_of(REGCOUNT)?, local: value_of(FRAME_SIZE).unwrap_or(0) })
}

fn choose<'a>(kernels: &[&'a str], name: Option<&str>) -> Result<&'a str> {
    let list = || kernels.iter().map(|kernel| format!("`{kernel}`")).collect::<Vec<_>>().join(", ");
    let error = match (name, kernels) {
        (None, [kernel]) => return Ok(kernel),
        (_, []) => Diagnostic::error("no-entry", "this cubin has no kernel"),
        (None, several) => Diagnostic::error("which-entry", format!("this cubin has {} kernels", several.len()))
            .help(format!("name one of them in the header: {}", list())),
        (Some(name), several) => {
            if let Some(kernel) = several.iter().find(|kernel| **kernel == name) {
                return Ok(kernel);
            }
            let error = Diagnostic::error("unknown-entry", format!("this cubin has no kernel `{name}`"));
            let error = error.note(format!("it has: {}", list()));
            match nearest(name, several.iter().copied()) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error,
            }
        }
    };
    Err(error)
}

/// The embedded text is the compiler's: where it is not understood, the attributes do.
fn meta_from_ptx(text: &str, kernel: &str) -> Option<LaunchMeta> {
    let module = warpbook_ptx::parse(text).ok()?;
    ptx::meta_from_entry(&module, ptx::choose(&module, Some(kernel)).ok()?).ok()
}

fn without_ptx(kernel: &str) -> LaunchMeta {
    let absent = |what: &str| format!("the cubin does not say {what}");
    LaunchMeta {
        entry: Sourced::new(kernel.to_owned(), Origin::CubinAttribute(TEXT.trim_end_matches('.').to_owned())),
        params: Sourced::default(Vec::new(), absent("its parameters")),
        scratch_params: Sourced::default(0, "the number of arguments decides"),
        num_warps: Sourced::default(ptx::DEFAULT_WARPS, absent("how many threads")),
        threads: Sourced::default(32 * ptx::DEFAULT_WARPS, absent("how many threads")),
        block: None,
        grid_counts_blocks: false,
        shared: Sourced::default(ptx::MOST_SHARED, "the device's limit"),
        cluster: Sourced::default([1; 3], absent("the size of a cluster")),
        global_scratch: Sourced::default(Scratch::default(), absent("how much global scratch")),
        profile_scratch: Sourced::default(Scratch::default(), absent("how much profile scratch")),
        tmem: Sourced::default(0, absent("how much tensor memory")),
        tensor_descs: Vec::new(),
        fp_fusion: Sourced::default(true, "as ptxas does it"),
        cooperative: Sourced::default(false, absent("whether it is cooperative")),
        dependent: Sourced::default(false, absent("whether it is a dependent launch")),
    }
}

/// Attributes with their values.
fn records(mut info: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let [format, attribute, low, high, rest @ ..] = info {
        let length = if *format == SIZED { usize::from(u16::from_le_bytes([*low, *high])) } else { 0 };
        let Some((value, after)) = rest.split_at_checked(length) else { break };
        found.push((*attribute, value));
        info = after;
    }
    found
}

fn take(meta: &mut LaunchMeta, records: &[(u8, &[u8])]) {
    let attribute = |name: &str| Origin::CubinAttribute(name.to_owned());
    for (code, value) in records {
        match (*code, extents(value)) {
            (REQNTID, Some(extents)) => {
                set_threads(meta, extents.iter().product(), attribute("EIATTR_REQNTID"));
                meta.block = ptx::in_several_dimensions(extents);
            }
            (MAX_THREADS, Some([threads, 1, 1])) if meta.threads.is_default() => {
                set_threads(meta, threads, attribute("EIATTR_MAX_THREADS"));
            }
            (CTA_PER_CLUSTER, Some(cluster)) if !cluster.contains(&0) => {
                meta.cluster = Sourced::new(cluster, attribute("EIATTR_CTA_PER_CLUSTER"));
            }
            _ => {}
        }
    }
    let mut params: Vec<KernelParam> =
        records.iter().filter(|(code, _)| *code == KPARAM_INFO).filter_map(|(_, value)| kernel_param(value)).collect();
    params.sort_by_key(|param| param.ordinal);
    let sizes = || params.iter().map(|param| param.size);
    // The types of the PTX say more, if it is the PTX of this code.
    if !meta.params.value.iter().map(|param| param.size).eq(sizes()) {
        meta.params = Sourced::new(params.iter().map(KernelParam::to_param).collect(), attribute("EIATTR_KPARAM_INFO"));
    }
}

fn set_threads(meta: &mut LaunchMeta, threads: u32, origin: Origin) {
    meta.num_warps = Sourced::new(threads.div_ceil(32), origin.clone());
    meta.threads = Sourced::new(threads, origin);
}

fn extents(value: &[u8]) -> Option<[u32; 3]> {
    let word = |at: usize| value.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    Some([word(0)?, word(4)?, word(8)?])
}

/// Index (4 bytes), ordinal, offset (2 each), then alignment of the pointee, its space in bits 8 to 11, and from bit
/// 18 on the size in bytes.
fn kernel_param(value: &[u8]) -> Option<KernelParam> {
    let [_, _, _, _, ordinal_low, ordinal_high, _, _, packed @ ..] = value else { return None };
    let packed = u32::from_le_bytes(packed.try_into().ok()?);
    let size = packed >> 18;
    let is_pointer = size == 8 && (packed >> 8) & 0xf != 0;
    Some(KernelParam { ordinal: u16::from_le_bytes([*ordinal_low, *ordinal_high]), size, is_pointer })
}

impl KernelParam {
    fn to_param(&self) -> Param {
        let kind = match self.size {
            128 => ParamKind::TensorMap,
            _ if self.is_pointer => ParamKind::Pointer { element: None },
            size => ParamKind::Scalar { ty: format!("b{}", 8 * size) },
        };
        let align = if self.size == 128 { 64 } else { self.size.clamp(1, 8) };
        Param { name: format!("param_{}", self.ordinal), kind, size: self.size, align, divisibility: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `.nv.info` of a kernel with a tensor map, `.u32`, `.u8`, `.f64` and `.u64 .ptr .global`, `.maxntid 256` and
    /// `.reqnctapercluster 2, 1, 1`, as ptxas 12.8 wrote it for sm_90a.
    const INFO: [u32; 40] = [
        0x0004_3704,
        0x80,
        0x000c_1704,
        0,
        0x00c0_0004,
        0x0021_f404,
        0x000c_1704,
        0,
        0x00b8_0003,
        0x0021_f000,
        0x000c_1704,
        0,
        0x00b4_0002,
        0x0005_f000,
        0x000c_1704,
        0,
        0x00b0_0001,
        0x0011_f000,
        0x000c_1704,
        0,
        0x0030_0000,
        0x0201_f000,
        0x000c_3d04,
        2,
        1,
        1,
        0x0000_5003,
        0x0080_1b03,
        0x0004_1c04,
        0x10,
        0x000c_0504,
        256,
        1,
        1,
        0x00c8_1903,
        0x0008_0a04,
        7,
        0x00c8_0210,
        0x0004_3604,
        8,
    ];

    fn meta() -> LaunchMeta {
        let bytes: Vec<u8> = INFO.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut meta = without_ptx("k");
        take(&mut meta, &records(&bytes));
        for length in 0..bytes.len() {
            take(&mut without_ptx("k"), &records(&bytes[..length]));
        }
        meta
    }

    #[test]
    fn attributes_say_the_launch() {
        let meta = meta();
        assert_eq!((meta.threads.value, meta.threads.origin.to_string()), (256, "EIATTR_MAX_THREADS".into()));
        assert_eq!(meta.cluster.value, [2, 1, 1]);
        let types: Vec<String> = meta.params.value.iter().map(Param::type_name).collect();
        assert_eq!(types, ["tensormap", "b32", "b8", "b64", "*?"]);
    }

    #[test]
    fn what_is_no_cubin_is_refused() {
        assert_eq!(from_cubin(b"no", None).expect_err("no ELF").code, "bad-cubin");
        let error = choose(&["add", "mul"], Some("adds")).expect_err("unknown");
        assert_eq!((error.code, error.help.len()), ("unknown-entry", 1));
        assert_eq!(choose(&["add", "mul"], None).expect_err("which?").code, "which-entry");
    }
}
