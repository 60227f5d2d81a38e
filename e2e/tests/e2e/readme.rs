//! The README's example, word for word.

use anyhow::{Context, Result, ensure};
use flotilla_e2e::{PODINFO, eventually, in_namespace, kubectl};
use serde_json::json;

/// The first YAML block of the README.
fn example() -> Result<String> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"))?;
    let (_, rest) = readme.split_once("```yaml\n").context("the README has a YAML block")?;
    let (block, _) = rest.split_once("```").context("the block ends")?;
    Ok(block.to_owned())
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn the_readme_example_answers_through_its_service() -> Result<()> {
    in_namespace("readme", |namespace| async move {
        let example = example()?;
        ensure!(example.lines().count() == 8, "the README says eight lines:\n{example}");
        ensure!(example.contains(PODINFO), "{example}");
        let told = kubectl(&["apply", "-f", "-", "-n", &namespace.name], &example).await?;
        ensure!(told.trim() == "microservice.flotilla.dev/hello created", "{told}");
        kubectl(
            &["wait", "msvc/hello", "--for=condition=Ready", "--timeout=120s", "-n", &namespace.name],
            "",
        )
        .await?;
        // The Deployment may say that all is available before the operator hears the same of the pod.
        let ready = namespace
            .until("hello", "the status names the image", |_, status| status.image.is_some())
            .await?;

        // From another service, by the address that the status gives: DNS, Service, kube-proxy and both
        // NetworkPolicies take part.
        let status = ready.status.context("status")?;
        let url = status.url.context("status.url")?;
        let image = status.image.context("status.image")?;
        ensure!(image.contains("sha256:"), "{image} is no digest");
        let caller = json!({"image": PODINFO, "dependsOn": [{"name": "hello"}]});
        namespace.apply("caller", caller).await?;
        namespace.until_ready("caller").await?;
        let check = ["podcli", "check", "http", &format!("{url}/healthz"), "--timeout=2s"];
        let namespace = &namespace;
        eventually("the declared caller gets through", || async move {
            let answer = namespace.exec("caller", &check).await;
            Ok(answer.map(drop).map_err(|error| error.to_string()))
        })
        .await?;

        let described = kubectl(&["describe", "msvc", "hello", "-n", &namespace.name], "").await?;
        for line in ["Type:                  Ready", "Reason:                Available"] {
            ensure!(described.contains(line), "{line:?} is not in\n{described}");
        }
        Ok(())
    })
    .await
}
