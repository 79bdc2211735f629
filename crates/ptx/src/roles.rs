//! Questions about an instruction that need its operands.

use crate::ast::{Address, Instruction, Operand};
use crate::isa::Role;

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
}
