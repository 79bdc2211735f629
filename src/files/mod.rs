//! Arrays in files: `.npy`, `.npz` and `.safetensors`. Written beside their place and moved there.

mod bytes;
mod error;
mod npy;
mod npz;
mod safetensors;

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use bytes::Interruptible;

pub use error::{FileError, Result};
use warpbook_device::Contents;
use warpbook_process::work::Work;

/// A path and the array in that file: `file.npz[entry]`.
pub fn split_entry(text: &str) -> (PathBuf, Option<String>) {
    match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        Some((path, entry)) => (path.into(), Some(entry.to_owned())),
        None => (text.into(), None),
    }
}

/// Reads an array: the only one, or the one of that name.
pub fn read(path: &Path, name: Option<&str>, work: Work<'_>) -> Result<Contents> {
    let read: fn(&Path, Option<&str>, Work<'_>) -> Result<Contents> = match extension(path) {
        "npy" => |path, _, work| npy::read(&mut bytes::open(path)?.0, work),
        "npz" => npz::read,
        "safetensors" => safetensors::read,
        _ => return Err(FileError::UnknownFormat),
    };
    bytes::interrupted_or(read(path, name, work), work)
}

/// Writes arrays under their names; `.npy` takes one.
pub fn write(path: &Path, arrays: &[(String, Contents)], work: Work<'_>) -> Result<()> {
    let kind = extension(path);
    match (kind, arrays) {
        ("npy", [_]) | ("npz" | "safetensors", _) => {}
        ("npy", _) => return Err(FileError::OneArray),
        _ => return Err(FileError::UnknownFormat),
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What the umask allows, as for any other file of the reader's.
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(directory)?;
    let mut target = BufWriter::with_capacity(1 << 16, Interruptible::new(file.as_file_mut(), work));
    let written = match (kind, arrays) {
        ("npy", [(_, contents)]) => npy::write(contents, &mut target),
        ("npz", _) => npz::write(arrays, &mut target),
        _ => safetensors::write(arrays, &mut target),
    };
    let written = written.and_then(|()| Ok(target.flush()?));
    // What is left in the buffer after an error is not wanted.
    drop(target.into_parts());
    bytes::interrupted_or(written, work)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use warpbook_device::Dtype;
    use warpbook_process::cancel::Cancel;
    use warpbook_process::work::Stopped;

    fn read(path: &Path, name: Option<&str>) -> Result<Contents> {
        super::read(path, name, Work::new(&Cancel::new()))
    }

    fn write(path: &Path, arrays: &[(String, Contents)]) -> Result<()> {
        super::write(path, arrays, Work::new(&Cancel::new()))
    }

    /// Reads the bytes of a `.npy` file.
    fn read_npy(mut bytes: &[u8]) -> Result<Contents> {
        npy::read(&mut bytes, Work::new(&Cancel::new()))
    }

    fn contents(dtype: Dtype) -> Contents {
        let bytes = (0..6 * dtype.size()).map(|byte| if dtype == Dtype::I1 { byte as u8 & 1 } else { byte as u8 });
        Contents { dtype, shape: vec![2, 3], bytes: bytes.collect() }
    }

    #[test]
    fn every_type_comes_back() {
        let directory = tempfile::tempdir().expect("a directory");
        for dtype in Dtype::ALL {
            let array = contents(dtype);
            for (format, exact) in [("npy", false), ("npz", false), ("safetensors", true)] {
                let path = directory.path().join(format!("{dtype}.{format}"));
                write(&path, &[("x".into(), array.clone())]).expect("written");
                let back = read(&path, None).unwrap_or_else(|error| panic!("{dtype} {format}: {error}"));
                assert_eq!((&back.shape, &back.bytes), (&array.shape, &array.bytes), "{dtype} {format}");
                // numpy has no bf16 and no fp8: their bits are kept as unsigned integers.
                let kept = match dtype {
                    Dtype::Bf16 if !exact => Dtype::U16,
                    Dtype::F8E4m3 | Dtype::F8E5m2 if !exact => Dtype::U8,
                    other => other,
                };
                assert_eq!(back.dtype, kept, "{format}");
            }
        }
    }

    #[test]
    fn several_arrays_are_told_apart_by_name() {
        let directory = tempfile::tempdir().expect("a directory");
        for format in ["npz", "safetensors"] {
            let path = directory.path().join(format!("two.{format}"));
            let arrays = [("a".to_owned(), contents(Dtype::F32)), ("b".to_owned(), contents(Dtype::I64))];
            write(&path, &arrays).expect("written");
            assert_eq!(read(&path, Some("b")).expect("read"), arrays[1].1);
            for requested in [None, Some("c")] {
                match read(&path, requested) {
                    Err(FileError::WhichArray { names, .. }) => assert_eq!(names, ["a", "b"]),
                    other => panic!("{other:?}"),
                }
            }
        }
        let path = directory.path().join("two.npy");
        let two = [("a".to_owned(), contents(Dtype::F32)), ("b".to_owned(), contents(Dtype::F32))];
        assert!(matches!(write(&path, &two), Err(FileError::OneArray)));
        assert!(matches!(read(&directory.path().join("x.txt"), None), Err(FileError::UnknownFormat)));
    }

    #[test]
    fn damaged_files_are_errors() {
        let directory = tempfile::tempdir().expect("a directory");
        for format in ["npy", "npz", "safetensors"] {
            let path = directory.path().join(format!("x.{format}"));
            write(&path, &[("x".into(), contents(Dtype::F32))]).expect("written");
            let good = std::fs::read(&path).expect("read");
            for cut in 0..good.len() {
                std::fs::write(&path, &good[..cut]).expect("written");
                assert!(read(&path, Some("x")).is_err(), "{format} cut at {cut} of {}", good.len());
            }
            for at in 0..good.len().min(200) {
                let mut bad = good.clone();
                bad[at] ^= 0xff;
                std::fs::write(&path, bad).expect("written");
                // An error or other contents, but no panic and no endless allocation.
                let _ = read(&path, Some("x"));
            }
        }
    }

    #[test]
    fn headers_that_lie_are_errors() {
        for shape in ["(0, 4611686018427387904, 8)", "(4611686018427387904, 8, 0)", "(4611686018427387904, 64)"] {
            let mut bytes = b"\x93NUMPY\x01\x00v\x00".to_vec();
            bytes.extend(format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}").bytes());
            bytes.resize(127, b' ');
            bytes.push(b'\n');
            assert!(read_npy(&bytes).is_err(), "{shape}");
        }
        let long = b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec();
        assert!(read_npy(&long).is_err());
    }

    #[test]
    fn fortran_order_and_big_endian_are_understood() {
        let mut bytes = b"\x93NUMPY\x01\x00v\x00{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }".to_vec();
        bytes.resize(127, b' ');
        bytes.push(b'\n');
        for value in [1i16, 4, 2, 5, 3, 6] {
            bytes.extend(value.to_be_bytes());
        }
        let contents = read_npy(&bytes).expect("read");
        assert_eq!(contents.dtype, Dtype::I16);
        assert_eq!(contents.bytes, (1..=6i16).flat_map(i16::to_le_bytes).collect::<Vec<_>>());
        let huge = String::from_utf8_lossy(&bytes).replace("(2, 3)", "(9999999999, 9999999999)");
        assert!(read_npy(huge.as_bytes()).is_err());
    }

    /// The bytes of a `.npy` file of version 2 with this header.
    fn with_header(header: &str) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x02\x00".to_vec();
        bytes.extend((header.len() as u32).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes
    }

    #[test]
    fn nested_and_huge_headers_are_refused() {
        let deep = 100_000;
        let nested = [
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {}{}, }}", "(".repeat(deep), ")".repeat(deep)),
            format!("{{'descr': {}{}, 'fortran_order': False, 'shape': (1,), }}", "[".repeat(deep), "]".repeat(deep)),
            "{".repeat(60_000),
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", "1, ".repeat(5000)),
        ];
        for header in nested {
            let mut bytes = with_header(&header);
            bytes.extend([0; 4]);
            let error = read_npy(&bytes).expect_err("refused").to_string();
            assert!(error.contains("header") || error.contains("dimensions"), "{error}");
        }
        // Said to be 4 GiB long, and as long as it says in a sparse file.
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("long.npy");
        std::fs::write(&path, b"\x93NUMPY\x02\x00\xff\xff\xff\xff").expect("written");
        std::fs::File::options().write(true).open(&path).expect("opened").set_len(1 << 40).expect("sparse");
        assert!(read(&path, None).expect_err("refused").to_string().contains("header"), "4 GiB");
        let path = directory.path().join("long.safetensors");
        std::fs::write(&path, (1u64 << 39).to_le_bytes()).expect("written");
        std::fs::File::options().write(true).open(&path).expect("opened").set_len(1 << 40).expect("sparse");
        assert!(read(&path, None).expect_err("refused").to_string().contains("header"), "512 GiB");
    }

    #[test]
    fn an_array_that_no_memory_holds_is_refused_by_its_size() {
        let directory = tempfile::tempdir().expect("a directory");
        // 64 TiB of elements, all in a sparse file.
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (17592186044416,), }";
        let path = directory.path().join("sparse.npy");
        std::fs::write(&path, with_header(header)).expect("written");
        // As large as the file system lets it be: the size in the header decides before a byte is read.
        let file = std::fs::File::options().write(true).open(&path).expect("opened");
        let _ = file.set_len(1 << 43);
        match read(&path, None) {
            Err(FileError::Stopped(Stopped::Memory(shortage))) => assert_eq!(shortage.wanted, Some(1 << 46)),
            other => panic!("{other:?}"),
        }
        // The same header in an archive, compressed.
        let path = directory.path().join("bomb.npz");
        let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).expect("created"));
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file("x.npy", options).expect("started");
        archive.write_all(&with_header(header)).expect("written");
        archive.write_all(&vec![0; 16 << 20]).expect("written");
        archive.finish().expect("finished");
        match read(&path, None) {
            Err(FileError::Stopped(Stopped::Memory(shortage))) => assert_eq!(shortage.wanted, Some(1 << 46)),
            other => panic!("{other:?}"),
        }
        let json = r#"{"x":{"dtype":"F32","shape":[17592186044416],"data_offsets":[0,70368744177664]}}"#;
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json.as_bytes());
        let path = directory.path().join("sparse.safetensors");
        std::fs::write(&path, bytes).expect("written");
        assert!(read(&path, None).is_err());
    }

    #[test]
    fn an_archive_in_an_archive_is_no_array() {
        let directory = tempfile::tempdir().expect("a directory");
        let inner = directory.path().join("inner.npz");
        write(&inner, &[("x".into(), contents(Dtype::F32))]).expect("written");
        let path = directory.path().join("outer.npz");
        let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).expect("created"));
        archive.start_file("x.npy", zip::write::SimpleFileOptions::default()).expect("started");
        archive.write_all(&std::fs::read(&inner).expect("read")).expect("written");
        archive.finish().expect("finished");
        assert!(matches!(read(&path, None), Err(FileError::Malformed(_))));
    }

    #[test]
    fn only_regular_files_are_read() {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, target) in [("x.npy", "/dev/zero"), ("x.npz", "/dev/zero"), ("x.safetensors", "/dev/zero")] {
            let path = directory.path().join(name);
            std::os::unix::fs::symlink(target, &path).expect("linked");
            assert!(read(&path, None).expect_err("refused").to_string().contains("regular file"), "{name}");
        }
    }

    /// The archive's library writes to the standard error of the process, so that takes a process of its own.
    #[test]
    fn an_interrupted_archive_prints_nothing() {
        let program = std::env::current_exe().expect("this test");
        let arguments = ["--exact", "files::tests::an_interrupt_ends_reading_and_writing", "--nocapture"];
        let output = std::process::Command::new(program).args(arguments).output().expect("runs");
        let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && printed.contains("1 passed"), "{printed}{errors}");
        assert!(!errors.contains("ZipWriter"), "{errors}");
    }

    #[test]
    fn an_interrupt_ends_reading_and_writing() {
        let directory = tempfile::tempdir().expect("a directory");
        let large = Contents { dtype: Dtype::U8, shape: vec![4 << 20], bytes: vec![7; 4 << 20] };
        let cancel = Cancel::new();
        for format in ["npy", "npz", "safetensors"] {
            let path = directory.path().join(format!("x.{format}"));
            write(&path, &[("x".into(), large.clone())]).expect("written");
            cancel.cancel();
            let work = Work::new(&cancel);
            let interrupted = |error| matches!(error, FileError::Stopped(Stopped::Interrupted));
            assert!(interrupted(super::read(&path, None, work).expect_err(format)), "{format}");
            let other = directory.path().join(format!("y.{format}"));
            let arrays = [("x".to_owned(), large.clone())];
            assert!(interrupted(super::write(&other, &arrays, work).expect_err(format)), "{format}");
            assert!(!other.exists(), "{format}");
            cancel.reset();
        }
        assert_eq!(std::fs::read_dir(directory.path()).expect("read").count(), 3, "no half of a file is left");
    }
}
