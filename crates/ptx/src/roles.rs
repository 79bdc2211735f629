//! Questions about an instruction that need its operands.

use crate::ast::{Address, Immediate, Instruction, Operand};
use crate::isa::{Mnemonic, Role};

impl Instruction {
    /// The operands with their roles; an operand that the table does not know has none.
    pub fn roles(&self) -> impl Iterator<Item = (&Operand, Option<Role>)> {
        let roles = self.opcode.description().operands;
        // A result may be left out before an address.
        let skipped = match (roles, self.operands.first()) {
            ([Role::Written, ..], Some(Operand::Address(_))) => 1,
            _ => 0,
        };
        self.operands.iter().enumerate().map(move |(index, operand)| match operand {
            Operand::Address(_) => (operand, Some(Role::Address)),
            _ => (operand, roles.get(index + skipped).copied()),
        })
    }

    /// The operand that gets the result; `None` for what writes no register.
    pub fn result(&self) -> Option<&Operand> {
        let is_written = |role| matches!(role, Some(Role::Written | Role::Accumulated));
        self.roles().find(|(_, role)| is_written(*role)).map(|(operand, _)| operand)
    }

    /// The address of the memory that it reads or writes first.
    pub fn address(&self) -> Option<&Address> {
        self.operands.iter().find_map(|operand| match operand {
            Operand::Address(address) => Some(address),
            _ => None,
        })
    }

    /// True if all lanes of a warp have to execute it together: it is aligned, or names all lanes in its mask.
    /// `bar.warp.sync` is none of these: it is what brings lanes together.
    pub fn needs_whole_warp(&self) -> bool {
        let names_all = |(operand, role): (&Operand, Option<Role>)| {
            role == Some(Role::LaneMask)
                && matches!(operand, Operand::Immediate(Immediate::Integer(mask)) if *mask as u32 == u32::MAX)
        };
        let gathers = self.opcode.mnemonic() == Some(Mnemonic::BarWarp);
        self.opcode.is_aligned() || !gathers && self.roles().any(names_all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::Statement;

    fn instruction(text: &str) -> Instruction {
        let module = crate::parse(&format!(".visible .entry k() {{ {text} }}")).expect("parses");
        match module.functions[0].body.as_deref() {
            Some([Statement::Instruction(instruction)]) => instruction.clone(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn results_and_roles() {
        let result = |text| instruction(text).result().cloned();
        let name = |name: &str| Some(Operand::Name(name.into()));
        assert_eq!(result("ld.global.b32 %r1, [%rd1];"), name("%r1"));
        assert_eq!(result("st.global.b32 [%rd1], %r1;"), None);
        assert_eq!(result("mbarrier.arrive.shared.b64 %rd1, [%r1];"), name("%rd1"));
        assert_eq!(result("mbarrier.arrive.shared.b64 [%r1], %r2;"), None);
        let roles: Vec<_> =
            instruction("mbarrier.arrive.shared.b64 [%r1], %r2;").roles().map(|(_, role)| role).collect();
        assert_eq!(roles, [Some(Role::Address), Some(Role::Read)]);
    }

    #[test]
    fn a_full_mask_is_recognised_however_it_is_spelled() {
        for mask in ["-1", "0xffffffff", "0xFFFFFFFF", "4294967295", "4294967295U"] {
            assert!(
                instruction(&format!("shfl.sync.bfly.b32 %r1|%p1, %r2, 1, 31, {mask};")).needs_whole_warp(),
                "{mask}"
            );
        }
        for text in ["shfl.sync.bfly.b32 %r1, %r2, 1, 31, 65535;", "bar.warp.sync -1;", "barrier.sync 0;"] {
            assert!(!instruction(text).needs_whole_warp(), "{text}");
        }
        assert!(
            instruction("bar.sync 0;").needs_whole_warp() && instruction("barrier.sync.aligned 0;").needs_whole_warp()
        );
    }
}
