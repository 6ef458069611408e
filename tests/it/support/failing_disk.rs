//! A disk that fails, for the program in a child process.

use std::path::PathBuf;
use std::process::Command;

use rustix::io::Errno;

use super::program::WorkDir;

/// The library `failing_disk.c`, and the file that tells it what fails.
pub struct FailingDisk {
    library: PathBuf,
    control: PathBuf,
}

impl FailingDisk {
    /// Compiles the library into the folder, with the C compiler that the build needs anyway.
    pub fn new(work_dir: &WorkDir) -> FailingDisk {
        let library = work_dir.path("failing_disk.so");
        let source = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/it/support/failing_disk.c"
        );
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library);
        let status = compiler.args([source, "-ldl"]).status().unwrap();
        assert!(status.success());
        let control = work_dir.path("failing_disk");
        FailingDisk { library, control }
    }

    /// The environment variables of the process whose disk fails.
    pub fn environment(&self) -> [(&'static str, &PathBuf); 2] {
        [
            ("LD_PRELOAD", &self.library),
            ("FAILING_DISK", &self.control),
        ]
    }

    /// From now on writes and syncs fail with this error.
    pub fn fail(&self, error: Errno) {
        std::fs::write(&self.control, error.raw_os_error().to_string()).unwrap();
    }

    /// From now on the disk works.
    pub fn repair(&self) {
        std::fs::remove_file(&self.control).unwrap();
    }
}
