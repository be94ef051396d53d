"""A whole controller: every namespace with a `team` label gets a ConfigMap `team` that names it, and keeps it."""

import asyncio

from kubepy.client import Client, load
from kubepy.runtime import Manager


def make(client: Client) -> Manager:
    manager = Manager(client, component="team-config")
    namespaces = manager.factory.informer("namespaces")
    configs = manager.factory.informer("configmaps", field_selector="metadata.name=team")

    async def reconcile(name: str) -> None:
        namespace = namespaces.cache.get(name)
        team = namespace and namespace["metadata"].get("labels", {}).get("team")
        if not team:
            return
        config = configs.cache.get(f"{name}/team")
        if config is None:
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "team"}, "data": {"team": team}}
            await client.create("configmaps", body, name)
            manager.recorder.event(namespace, "Normal", "TeamConfigured", f"created for {team}")
        elif config.get("data") != {"team": team}:
            await client.update("configmaps", {**config, "data": {"team": team}})

    controller = manager.controller("team-config", reconcile)
    controller.watch(namespaces)
    controller.watch(configs, lambda config: [config["metadata"]["namespace"]])
    return manager


async def main() -> None:
    async with Client(load()) as client:
        await make(client).run()


if __name__ == "__main__":
    asyncio.run(main())
