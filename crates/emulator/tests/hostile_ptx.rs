//! PTX that asks for more than there is: refused with a reason, in bounded time and memory, never a panic.

use warpbook_emulator::Module;

const HEAD: &str = ".version 8.4\n.target sm_90a\n.address_size 64\n";

/// The error of a module whose entry has this body, after these declarations.
fn refused(declarations: &str, body: &str) -> String {
    let text = format!("{HEAD}{declarations}\n.visible .entry k()\n{{\n{body}\nret;\n}}\n");
    match Module::load(&text) {
        Ok(_) => panic!("it was taken:\n{text}"),
        Err(error) => error.to_plain(),
    }
}

#[test]
fn sizes_are_bounded() {
    let huge = [
        (".global .b8 x[4294967296];", "", "module variables"),
        (".global .b8 x[200000000];\n.global .b8 y[200000000];", "", "module variables"),
        (".shared .b8 x[4000000000];", "", "static shared memory"),
        ("", ".shared .b8 x[4000000000];", "static shared memory"),
        ("", "{ .shared .b8 x[200000]; }\n{ .shared .b8 y[200000]; }", "static shared memory"),
        ("", ".local .b8 x[4000000000];", "local memory"),
        ("", ".local .b8 x[400000];\n.local .b8 y[400000];", "local memory"),
        ("", ".local .align 2147483648 .b8 x[4];", "alignment"),
        (".shared .align 1073741824 .b8 x[4];\n.shared .align 2147483648 .b8 y[4];", "", "alignment"),
        ("", ".reg .b32 %r<99999999>;", "too many registers"),
        (".global .b8 x[18446744073709551615][2];", "", "too large"),
    ];
    for (declarations, body, expected) in huge {
        let error = refused(declarations, body);
        assert!(error.contains(expected), "`{expected}` is not in\n{error}");
    }
}

/// Found by the fuzz target: a shift by the width of a type that no register has.
#[test]
fn conversions_of_types_that_have_none() {
    let registers = ".reg .b16 %h<4>; .reg .b32 %r<4>; .reg .b64 %d<4>;";
    for convert in ["b128.u16 %r1, %h1", "b32.u32 %r1, %r2", "u32.pred %r1, %r2", "u64.e4m3x2 %r1, %h1"] {
        let error = refused("", &format!("{registers} cvt.{convert};"));
        assert!(error.contains("cvt"), "{error}");
    }
}

#[test]
fn parameters_are_bounded() {
    let params: Vec<String> = (0..20).map(|index| format!(".param .b8 p{index}[4096]")).collect();
    let text = format!("{HEAD}.visible .entry k({})\n{{\nret;\n}}\n", params.join(", "));
    let error = Module::load(&text).err().expect("80 KiB of parameters are too many").to_plain();
    assert!(error.contains("parameters"), "{error}");
}

#[test]
fn calls_that_double_and_recursion_end() {
    let mut functions = String::new();
    for level in (0..40).rev() {
        let callee = if level == 39 { String::new() } else { format!("call.uni f{0};\ncall.uni f{0};\n", level + 1) };
        functions += &format!(".func f{level}()\n{{\n{callee}ret;\n}}\n");
    }
    assert!(refused(&functions, "call.uni f0;").contains("f"));
    // One that runs has a stack that ends: `fault/recursion.ptx`.
    let endless =
        format!("{HEAD}.func f()\n{{\ncall.uni f;\nret;\n}}\n.visible .entry k()\n{{\ncall.uni f;\nret;\n}}\n");
    assert!(Module::load(&endless).is_ok());
}

#[test]
fn deep_nesting_is_refused() {
    assert!(refused("", &"{".repeat(100_000)).contains("nested too deeply"));
    let vector = format!("mov.b32 {}x{}, 0;", "{".repeat(100_000), "}".repeat(100_000));
    assert!(refused("", &vector).contains("nested too deeply"));
}

/// As many labels as registers: what is live where would take gigabytes.
#[test]
fn very_many_labels_and_registers() {
    let mut body = String::from(".reg .pred %p;\n.reg .b32 %r<40000>;\nsetp.eq.u32 %p, 0, 1;\n");
    for index in 0..40_000 {
        body += &format!("L{index}:\nmov.b32 %r{index}, {index};\n@%p bra L{index};\n");
    }
    let text = format!("{HEAD}.visible .entry k()\n{{\n{body}ret;\n}}\n");
    assert!(Module::load(&text).is_ok());
}

/// Static shared memory of a function lies before the dynamic one, wherever it is declared.
#[test]
fn static_and_dynamic_shared_memory_lie_apart() {
    let text = format!(
        "{HEAD}.extern .shared .align 16 .b8 dynamic[];\n.visible .entry k()\n{{\n\
         .shared .align 16 .b8 own[64];\n{{ .shared .b8 inner[32]; }}\nret;\n}}\n"
    );
    let module = Module::load(&text).unwrap_or_else(|error| panic!("{}", error.to_plain()));
    assert_eq!(module.kernel("k").expect("the entry").static_shared(), 96);
}
