//! Examples of magics: cells that the reference shows and that tests run.

/// A cell that shows what a magic does.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The text of the cell.
    pub cell: &'static str,
    /// What the session needs before the cell runs.
    pub needs: Needs,
    /// A part of what the cell shows; empty where it shows nothing.
    pub shows: &'static str,
}

/// What a session needs before an example works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// Nothing but an empty session.
    Nothing,
    /// The buffers `a`, `b` and `c`.
    Buffers,
    /// The buffers, with `c` as the product of the others.
    Product,
    /// The buffers, and the files `a.npy` and `all.safetensors`.
    File,
    /// The buffers, and the PTX kernel `scale`, launched.
    Kernel,
    /// The buffers, and a Python with Triton.
    Triton,
    /// The buffers, and the Triton kernel `matmul`, launched.
    Matmul,
    /// As `Matmul`, with a second version of the kernel.
    Versions,
    /// The buffers, and the Triton kernel `copy` with tensor descriptors, launched for sm_90.
    Descriptors,
    /// The buffers, and an NVIDIA GPU.
    Gpu,
    /// As `Gpu`, with Nsight Compute and the Triton kernel `matmul`.
    Profiler,
}

/// Two factors, and a place for their product.
const BUFFERS: &str = "\
%buf a = randn(64, 64, dtype=f16, seed=1)
%buf b = randn(64, 64, dtype=f16, seed=2)
%buf c = ones(64, 64)";

/// A kernel in PTX: each of 64 threads doubles an element of `c`.
pub const SCALE: &str = concat!("%%ptx scale[1](c)\n", include_str!("examples/scale.ptx"));

/// A kernel in Triton: one program for each tile of `c`.
pub const MATMUL: &str = concat!("%%triton matmul[2, 2](a, b, c, 64, BLOCK=32)\n", include_str!("examples/matmul.py"));

/// A kernel in Triton IR that writes 128 sevens.
pub const TTIR: &str = concat!("%%ttir fill[1](c)\n", include_str!("examples/fill.ttir"));

/// The same kernel in Triton GPU IR, with a layout.
pub const TTGIR: &str = concat!("%%ttgir fill[1](c)\n", include_str!("examples/fill.ttgir"));

/// The same kernel in LLVM IR.
pub const LLIR: &str = concat!("%%llir fill[1](c)\n", include_str!("examples/fill.ll"));

/// A kernel in Triton that moves tiles through tensor descriptors.
const COPY: &str =
    concat!("%%triton copy[2](tma(a, [32, 64]), tma(d, [32, 64]), BLOCK=32)\n", include_str!("examples/copy.py"));

impl Needs {
    /// All needs, the smallest first.
    pub const ALL: [Self; 11] = [
        Self::Nothing,
        Self::Buffers,
        Self::Product,
        Self::File,
        Self::Kernel,
        Self::Triton,
        Self::Matmul,
        Self::Versions,
        Self::Descriptors,
        Self::Gpu,
        Self::Profiler,
    ];

    /// The cells that make what is needed, as far as cells can.
    pub const fn cells(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &[],
            Self::Buffers | Self::Triton | Self::Gpu => &[BUFFERS],
            Self::Product => &[BUFFERS, "%buf c = (a @ b).to(f32)"],
            Self::File => &[BUFFERS, "%save a a.npy\n%save a b all.safetensors"],
            Self::Kernel => &[BUFFERS, SCALE],
            Self::Matmul | Self::Profiler => &[BUFFERS, MATMUL],
            Self::Versions => {
                &[BUFFERS, MATMUL, "%%patch triton matmul\n+ columns[None, :], acc) → + columns[None, :], 2 * acc)"]
            }
            Self::Descriptors => &[BUFFERS, "%target sm_90\n%buf d = zeros(64, 64, dtype=f16)", COPY],
        }
    }

    /// True if Python with Triton has to be there.
    pub const fn is_triton(self) -> bool {
        matches!(self, Self::Triton | Self::Matmul | Self::Versions | Self::Descriptors)
    }

    /// What is needed, for the reader of an example; empty where nothing is.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Buffers => "with the buffers `a`, `b` and `c`",
            Self::Product => "with `c` as the product of `a` and `b`",
            Self::File => "with the files `a.npy` and `all.safetensors`",
            Self::Kernel => "after the kernel `scale`",
            Self::Triton => "with the buffers `a`, `b` and `c`",
            Self::Matmul => "after the kernel `matmul`",
            Self::Versions => "after two versions of the kernel `matmul`",
            Self::Descriptors => "after the kernel `copy`",
            Self::Profiler => "after the kernel `matmul`, on a machine with an NVIDIA GPU and Nsight Compute",
            Self::Gpu => "with the buffers `a`, `b` and `c`, on a machine with an NVIDIA GPU",
        }
    }
}
