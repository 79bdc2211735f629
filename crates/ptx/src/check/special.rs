//! Special registers: their types, and what they need. PTX ISA 10.

use crate::types::PtxType;

/// What a special register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// 32 bits, which 16-bit moves take too: the registers that had 16 bits in PTX 1.
    WordOrHalf,
    /// A value of 32 bits.
    Word,
    /// A value of 64 bits.
    Long,
    /// 16, 32 or 64 bits.
    Any,
    /// A single predicate.
    Predicate,
    /// Several registers, of which one has to be named: `%tid` without `.x`.
    Vector,
}

impl Holds {
    /// True if `mov` of a type reads it.
    pub fn fits(self, ty: PtxType) -> bool {
        let (size, is_integer) = (ty.size(), !ty.is_float() && ty != PtxType::Pred);
        match self {
            Self::Predicate => ty == PtxType::Pred,
            Self::WordOrHalf => is_integer && matches!(size, 2 | 4),
            Self::Word => is_integer && size == 4,
            Self::Long => is_integer && size == 8,
            Self::Any => is_integer && matches!(size, 2 | 4 | 8),
            Self::Vector => false,
        }
    }
}

/// What a special register holds; `None` for a name that is none.
pub(super) fn ty(name: &str) -> Option<Holds> {
    let name = name.strip_prefix('%')?;
    if let Some((vector, selector)) = name.split_once('.') {
        let is_selector = matches!(selector, "x" | "y" | "z" | "w");
        let has_halves = matches!(vector, "tid" | "ntid" | "ctaid" | "nctaid");
        let holds = if has_halves { Holds::WordOrHalf } else { Holds::Word };
        return (is_selector && (has_halves || is_cluster_vector(vector))).then_some(holds);
    }
    let numbered = |prefix: &str, count: u32| {
        name.strip_prefix(prefix).and_then(|number| number.parse::<u32>().ok()).is_some_and(|number| number < count)
    };
    Some(match name {
        "tid" | "ntid" | "ctaid" | "nctaid" => Holds::Vector,
        _ if is_cluster_vector(name) => Holds::Vector,
        "laneid"
        | "warpid"
        | "nwarpid"
        | "smid"
        | "nsmid"
        | "cluster_ctarank"
        | "cluster_nctarank"
        | "lanemask_eq"
        | "lanemask_le"
        | "lanemask_lt"
        | "lanemask_ge"
        | "lanemask_gt"
        | "clock"
        | "clock_hi"
        | "globaltimer_lo"
        | "globaltimer_hi"
        | "reserved_smem_offset_begin"
        | "reserved_smem_offset_end"
        | "reserved_smem_offset_cap"
        | "total_smem_size"
        | "aggr_smem_size"
        | "dynamic_smem_size" => Holds::Word,
        "clock64" | "globaltimer" | "current_graph_exec" => Holds::Long,
        "gridid" => Holds::Any,
        "is_explicit_cluster" => Holds::Predicate,
        _ if numbered("reserved_smem_offset_", 2) || numbered("envreg", 32) || numbered("pm", 8) => Holds::Word,
        _ if name.strip_suffix("_64").is_some_and(|name| matches!(name.as_bytes(), [b'p', b'm', b'0'..=b'7'])) => {
            Holds::Long
        }
        _ => return None,
    })
}

/// True if a special register needs `sm_90` and PTX 7.8: it speaks of clusters.
pub(super) fn is_of_clusters(name: &str) -> bool {
    name.starts_with("%cluster") || name.starts_with("%ncluster") || name == "%is_explicit_cluster"
}

fn is_cluster_vector(name: &str) -> bool {
    matches!(name, "clusterid" | "nclusterid" | "cluster_ctaid" | "cluster_nctaid")
}
