//! Registers of the text, and special registers, by their names.

use super::Decoder;
use super::scope::file_of;
use crate::program::{File, Slot, Special};
use warpbook_diagnostic::Result;
use warpbook_ptx::PtxType;

impl Decoder<'_> {
    /// The type and slot of a declared register; `None` if the name is no register.
    pub(crate) fn lookup(&mut self, name: &str) -> Option<(PtxType, Slot)> {
        let (scope, ty) = self.symbols.find(name)?;
        let key = (scope, name.to_owned());
        if let Some(&found) = self.symbols.registers.get(&key) {
            return Some(found);
        }
        let slot = self.fresh(file_of(ty)?);
        self.symbols.registers.insert(key, (ty, slot));
        Some((ty, slot))
    }

    /// The slot of a register that has to be in `file`.
    pub(crate) fn register(&mut self, name: &str, file: File) -> Result<Slot> {
        match self.lookup(name) {
            Some((ty, slot)) if file_of(ty) == Some(file) => Ok(slot),
            Some((ty, _)) => Err(self.malformed(format!("`{name}` is a .{ty} register, which does not fit here"))),
            None => Err(self.malformed(format!("`{name}` is not declared"))),
        }
    }

    /// The special register of a name.
    pub(crate) fn special_by_name(name: &str) -> Option<Special> {
        Some(match name {
            "%tid.x" => Special::TidX,
            "%tid.y" => Special::TidY,
            "%tid.z" => Special::TidZ,
            "%ntid.x" => Special::NtidX,
            "%ntid.y" => Special::NtidY,
            "%ntid.z" => Special::NtidZ,
            "%ctaid.x" => Special::CtaidX,
            "%ctaid.y" => Special::CtaidY,
            "%ctaid.z" => Special::CtaidZ,
            "%nctaid.x" => Special::NctaidX,
            "%nctaid.y" => Special::NctaidY,
            "%nctaid.z" => Special::NctaidZ,
            "%clusterid.x" => Special::ClusterIdX,
            "%clusterid.y" => Special::ClusterIdY,
            "%clusterid.z" => Special::ClusterIdZ,
            "%nclusterid.x" => Special::NumClustersX,
            "%nclusterid.y" => Special::NumClustersY,
            "%nclusterid.z" => Special::NumClustersZ,
            "%cluster_ctaid.x" => Special::ClusterCtaidX,
            "%cluster_ctaid.y" => Special::ClusterCtaidY,
            "%cluster_ctaid.z" => Special::ClusterCtaidZ,
            "%cluster_nctaid.x" => Special::ClusterNctaidX,
            "%cluster_nctaid.y" => Special::ClusterNctaidY,
            "%cluster_nctaid.z" => Special::ClusterNctaidZ,
            "%cluster_ctarank" => Special::ClusterRank,
            "%cluster_nctarank" => Special::ClusterSize,
            "%laneid" => Special::LaneId,
            "%warpid" => Special::WarpId,
            "%nwarpid" => Special::NumWarps,
            "%lanemask_eq" => Special::LaneMaskEq,
            "%lanemask_lt" => Special::LaneMaskLt,
            "%lanemask_le" => Special::LaneMaskLe,
            "%lanemask_gt" => Special::LaneMaskGt,
            "%lanemask_ge" => Special::LaneMaskGe,
            "%smid" => Special::SmId,
            "%nsmid" => Special::NumSms,
            "%dynamic_smem_size" => Special::DynamicSharedSize,
            _ => return None,
        })
    }

    /// The register of the condition code, which has no name.
    pub(crate) fn condition_code(&mut self) -> Slot {
        match self.condition_code {
            Some(slot) => slot,
            None => {
                let slot = self.fresh(File::Word);
                self.condition_code = Some(slot);
                slot
            }
        }
    }
}
