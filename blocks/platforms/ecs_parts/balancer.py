"""The load balancer that a listener belongs to."""

from __future__ import annotations

from typing import NamedTuple

from blocks.platforms.ecs_parts.aws import Aws
from blocks.platforms.ecs_parts.setup import Setup
from domain.errors import Rejected
from domain.place import Target


class Balancer(NamedTuple):
    """`origin` is scheme, host and port where the public finds the listener."""

    arn: str
    vpc: str
    origin: str


async def of_listener(aws: Aws, setup: Setup) -> Balancer:
    """Rejected where it is none for HTTP."""
    listener = (await aws.call("elbv2", "DescribeListeners", ListenerArns=[setup.listener_arn]))["Listeners"][0]
    arn = listener["LoadBalancerArn"]
    balancer = (await aws.call("elbv2", "DescribeLoadBalancers", LoadBalancerArns=[arn]))["LoadBalancers"][0]
    scheme, port = str(listener["Protocol"]).lower(), int(listener["Port"])
    if scheme not in ("http", "https"):
        raise Rejected(
            f"the listener {setup.listener_arn} is for {listener['Protocol']}",
            fix="name a listener of an Application Load Balancer in the block's `listener_arn`",
        )
    usual = (scheme, port) in (("http", 80), ("https", 443))
    return Balancer(arn, balancer["VpcId"], f"{scheme}://{balancer['DNSName']}{'' if usual else f':{port}'}")


def address(balancer: Balancer, setup: Setup, target: Target) -> str:
    """Where the public finds the target: what the block says, its host, or the load balancer's own name."""
    said = setup.public_address
    if not said and setup.host and "*" not in setup.host:
        scheme, _, rest = balancer.origin.partition("://")
        port = rest.partition(":")[2]
        said = f"{scheme}://{setup.host}{f':{port}' if port else ''}"
    said = said or balancer.origin
    return said.replace("{service}", target.service).replace("{environment}", target.environment)
