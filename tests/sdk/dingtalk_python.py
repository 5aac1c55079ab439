"""Drives a sandbox with DingTalk's Python packages, changing nothing but the address.

    pip install alibabacloud-dingtalk dingtalk-sdk
    python tests/sdk/dingtalk_python.py http://127.0.0.1:8700

The first is the vendor's own, for the newer host: tokens, and messages of a robot. It has no work notifications,
which the older host serves alone; for these there is `dingtalk-sdk`, which a page of the vendor's names: its token,
its JSON and its errors, and the form of the vendor's samples. Exits 0 when every call does what the vendor's
documentation says.
"""

import json
import sys
import urllib.parse
import urllib.request
import uuid

from alibabacloud_dingtalk.oauth2_1_0 import models as oauth
from alibabacloud_dingtalk.oauth2_1_0.client import Client as Oauth
from alibabacloud_dingtalk.robot_1_0 import models as robot
from alibabacloud_dingtalk.robot_1_0.client import Client as Robot
from alibabacloud_tea_openapi.models import Config
from alibabacloud_tea_util.models import RuntimeOptions
from dingtalk.client import AppKeyClient
from dingtalk.core.exceptions import DingTalkClientException

AGENT = 781348


def expect(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: {found!r} instead of {wanted!r}")
    print(f"{what}: ok")


def refused(what, call, code):
    """A call that must be refused with that code."""
    try:
        answer = call()
    except DingTalkClientException as error:
        found = error.errcode
    except Exception as error:  # The vendor's package has no exception of its own for it.
        found = getattr(error, "code", repr(error))
    else:
        sys.exit(f"{what}: not refused, but {answer}")
    expect(f"{what}: refused with {code}", found, code)


def control(domain, path, body):
    """Somebody changes the world, without the vendor's rules."""
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{domain}/_sandbox/{path}", data=data, method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def newer_host(domain, group):
    config = Config(endpoint=urllib.parse.urlparse(domain).netloc, protocol="HTTP")
    ask = oauth.GetAccessTokenRequest(app_key="cli_sandbox", app_secret="sandbox-secret")
    body = Oauth(config).get_access_token(ask).body
    expect("token of the newer host", (bool(body.access_token), body.expire_in > 0), (True, True))
    wrong = oauth.GetAccessTokenRequest(app_key="cli_sandbox", app_secret="wrong")
    refused("a wrong secret", lambda: Oauth(config).get_access_token(wrong), "invalidClientIdOrSecret")

    headers = robot.OrgGroupSendHeaders(x_acs_dingtalk_access_token=body.access_token)

    def send(conversation, key="sampleText"):
        message = robot.OrgGroupSendRequest(
            robot_code="cli_sandbox",
            open_conversation_id=conversation,
            msg_key=key,
            msg_param=json.dumps({"content": "hello"}),
        )
        return Robot(config).org_group_send_with_options(message, headers, RuntimeOptions())

    expect("message of the robot", bool(send(group).body.process_query_key), True)
    refused("into no group", lambda: send("cid_nobody"), "invalid.openConversationId")
    refused("of no kind", lambda: send(group, "sampleNothing"), "invalidParameter.msgKey.invalid")
    return body.access_token


def older_host(domain, people, token):
    client = AppKeyClient("ding_corp", "cli_sandbox", "sandbox-secret")
    client.API_BASE_URL = f"{domain}/"
    expect("one token for both hosts", client.access_token, token)
    call = "/topapi/message/corpconversation/"
    text = f"hello {uuid.uuid4().hex[:8]}"
    msg = {"msgtype": "text", "text": {"content": text}}
    message = {"agent_id": AGENT, "userid_list": ",".join([*people, "nobody"]), "msg": msg}
    sent = client.post(f"{call}asyncsend_v2", message)
    expect("work notification", (sent["errcode"], sent["task_id"] > 2**32), (0, True))
    task = {"agent_id": AGENT, "task_id": sent["task_id"]}
    control(domain, "advance", {"seconds": 5})
    progress = client.post(f"{call}getsendprogress", task)["progress"]
    expect("progress", progress, {"progress_in_percent": 100, "status": 2})
    control(domain, "read", {"person": people[0]})
    lists = client.post(f"{call}getsendresult", task)["send_result"]
    expect("result", lists["read_user_id_list"], people[:1])
    expect("result", lists["unread_user_id_list"], people[1:])
    expect("result", lists["invalid_user_id_list"], ["nobody"])

    # The form of the vendor's samples, with the message as JSON in it. What is the same as before is dropped
    # in silence, for whoever has had it: a form has the text of a message as it stands, and JSON has it compact.
    form = [*message.items()][:2] + [("msg", json.dumps(msg, separators=(",", ":"), ensure_ascii=False))]
    again = client.post(f"{call}asyncsend_v2", data=form)
    expect("the same in a form", again["errcode"], 0)
    control(domain, "advance", {"seconds": 5})
    lists = client.post(f"{call}getsendresult", {**task, "task_id": again["task_id"]})["send_result"]
    dropped = sorted((one["userid"], one["code"]) for one in lists["forbidden_list"])
    expect("is dropped in silence", dropped, [(one, "143106") for one in sorted(people)])

    expect("recall", client.post(f"{call}recall", {"agent_id": AGENT, "msg_task_id": sent["task_id"]})["errcode"], 0)
    refused("nobody at all", lambda: client.post(f"{call}asyncsend_v2", {"agent_id": AGENT, "msg": msg}), 40035)
    many = {**message, "userid_list": ",".join(f"u{n}" for n in range(101))}
    refused("101 people", lambda: client.post(f"{call}asyncsend_v2", many), 40032)

    # A dead token comes inside of 88 under /topapi, which the package does not look into.
    control(domain, "tokens/expire", {})
    refused("a dead token", lambda: client.post(f"{call}getsendprogress", task), 88)
    client.cache.access_token.delete()
    expect("a new token", client.post(f"{call}getsendprogress", task)["errcode"], 0)
    client.app_secret = "wrong"
    client.cache.access_token.delete()
    refused("a wrong secret at the older host", lambda: client.access_token, 40096)


def main(domain):
    run = uuid.uuid4().hex[:8]
    people = [f"ada_{run}", f"bo_{run}"]
    control(domain, "users", [{"name": one, "dingtalk_user_id": one} for one in people])
    group = f"cid{run}"
    control(domain, "dingtalk/groups", {"id": group, "name": "Ops"})
    older_host(domain, people, newer_host(domain, group))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1].rstrip("/"))
