//! Who may do what, and what the API server refuses or writes down.

use std::fs;

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use super::{Check, NAMESPACE, Summary, TIMEOUT, eventually};
use crate::process;

pub(super) fn run(check: &Check<'_>, summary: &mut Summary) {
    summary.check("Pod Security restricted refuses a privileged pod", || {
        refused(
            check,
            &format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: privileged}}, spec: {{containers: [\
                 {{name: main, image: \"{}\", securityContext: {{privileged: true}}}}]}}}}",
                check.shell_image
            ),
            "violates PodSecurity",
        )
    });
    summary.check("A ValidatingAdmissionPolicy refuses what it says", || {
        check.cluster.kubectl.apply(include_str!("policy.yaml"))?;
        let outcome = eventually("the policy is in force", TIMEOUT, || {
            // A new policy takes a moment to reach the API server's own cache.
            let forbidden = "{apiVersion: v1, kind: ConfigMap, metadata: {name: forbidden}}";
            Ok(refused(check, forbidden, "no object may be named forbidden").is_ok())
        });
        for object in ["validatingadmissionpolicy", "validatingadmissionpolicybinding"] {
            check.cluster.kubectl.output(&["delete", object, "flotilla-check", "--ignore-not-found"])?;
        }
        outcome
    });
    summary.check("A node may read no Secret but its own pods'", || {
        check.kubectl(&["create", "secret", "generic", "unrelated"])?;
        let nodes = check.kubectl(&["get", "nodes", "--output=jsonpath={.items[0].metadata.name}"])?;
        let answer = check.kubectl(&[
            "get",
            "secret/unrelated",
            &format!("--as=system:node:{nodes}"),
            "--as-group=system:nodes",
        ]);
        match answer {
            Err(error) if error.to_string().contains("no relationship found") => Ok(()),
            Err(error) => Err(error),
            Ok(_) => bail!("the node could read it"),
        }
    });
    summary.check("A service account without a role may do nothing", || {
        let user = format!("--as=system:serviceaccount:{NAMESPACE}:default");
        match check.kubectl(&["get", "pods", &user]) {
            Err(error) if error.to_string().contains("Forbidden") => Ok(()),
            Err(error) => Err(error),
            Ok(_) => bail!("it could list pods"),
        }
    });
    summary.check("The Gateway API's resources are served", || {
        let resources =
            check.kubectl(&["api-resources", "--api-group=gateway.networking.k8s.io", "--output=name"])?;
        for resource in ["gatewayclasses", "gateways", "httproutes", "grpcroutes", "referencegrants"] {
            ensure!(resources.lines().any(|line| line.starts_with(resource)), "there are no {resource}");
        }
        Ok(())
    });
    if let Some(log) = &check.cluster.audit_log {
        summary.check("The audit log has one line for one request", || {
            let agent = format!("flotilla-check/{}", std::process::id());
            let user = format!("system:serviceaccount:{NAMESPACE}:default");
            check
                .kubectl(&[
                    "get",
                    "--raw=/api/v1/namespaces/default",
                    &format!("--as-user-extra=agent={agent}"),
                    &format!("--as={user}"),
                ])
                .ok();
            let lines = fs::read_to_string(log)?;
            let events =
                lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter(|event| {
                    event["impersonatedUser"]["username"] == user.as_str()
                        && event["impersonatedUser"]["extra"]["agent"][0] == agent.as_str()
                });
            let verbs: Vec<_> = events.map(|event| event["verb"].clone()).collect();
            ensure!(verbs == ["get"], "the log has {verbs:?}");
            Ok(())
        });
    }
}

/// Checks that the API server refuses to create an object for the given reason. Nothing is created either way.
fn refused(check: &Check<'_>, manifest: &str, reason: &str) -> Result<()> {
    let mut create = check.cluster.kubectl.command();
    create.args(["--namespace", NAMESPACE, "create", "--dry-run=server", "--filename=-"]);
    match process::output_with_input(&mut create, manifest.as_bytes()) {
        Err(error) if error.to_string().contains(reason) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => bail!("it was let in"),
    }
}
