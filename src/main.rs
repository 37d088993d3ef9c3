//! The `zhuandi` program: reads the command line and hands over to the library.

use clap::Parser;
use zhuandi::cli::{Cli, run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    run(Cli::parse()).await
}
