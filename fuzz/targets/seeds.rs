//! Writes frames to begin with into the folder that is named: those of the sandbox, changed a little.

use std::{error::Error, fs, path::PathBuf};

/// Enough for every kind of event that the sandbox sends.
const FRAMES: usize = 2_000;
const SEED: u64 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("which folder?")?);
    fs::create_dir_all(&folder)?;
    for (at, frame) in sandbox::mutate(SEED).take(FRAMES).enumerate() {
        fs::write(folder.join(format!("seed-{at}")), frame)?;
    }
    Ok(())
}
