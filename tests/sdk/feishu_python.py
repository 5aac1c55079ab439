"""Drives a sandbox with the official Python SDK, changing nothing but the domain.

    pip install lark-oapi
    python tests/sdk/feishu_python.py http://127.0.0.1:8700

Exits 0 when every call does what the vendor's documentation says.
"""

import sys
import uuid

import lark_oapi as lark
from lark_oapi.api.im.v1 import (
    CreateChatRequest,
    CreateChatRequestBody,
    DeleteChatRequest,
    GetChatRequest,
    IsInChatChatMembersRequest,
    ListChatRequest,
)
from lark_oapi.api.task.v2 import (
    AddMembersTasklistRequest,
    AddMembersTasklistRequestBody,
    CreateTasklistActivitySubscriptionRequest,
    CreateTasklistRequest,
    DeleteTasklistActivitySubscriptionRequest,
    DeleteTasklistRequest,
    GetTasklistActivitySubscriptionRequest,
    GetTasklistRequest,
    InputTasklist,
    ListTasklistActivitySubscriptionRequest,
    ListTasklistRequest,
    Member,
    PatchTasklistActivitySubscriptionRequest,
    PatchTasklistActivitySubscriptionRequestBody,
    TasklistActivitySubscription,
)


def done(what, response):
    """The data of a call that must succeed."""
    if not response.success():
        sys.exit(f"{what}: {response.code} {response.msg} {response.get_log_id()}")
    print(f"{what}: ok")
    # The answers of deletes have none.
    return getattr(response, "data", None)


def refused(what, response, code):
    if response.code != code:
        sys.exit(f"{what}: expected {code}, got {response.code} {response.msg}")
    print(f"{what}: refused with {code}")


def expect(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: expected {wanted!r}, got {got!r}")


def main(domain):
    client = (
        lark.Client.builder()
        .domain(domain)
        .app_id("cli_sandbox")
        .app_secret("sandbox-secret")
        .build()
    )
    task, im = client.task.v2, client.im.v1
    run = uuid.uuid4().hex[:8]

    members = [Member.builder().id("ou_a").type("user").role("viewer").build()]
    created = done(
        "create tasklist",
        task.tasklist.create(
            CreateTasklistRequest.builder()
            .user_id_type("open_id")
            .request_body(
                InputTasklist.builder()
                .name(f"Python {run}")
                .client_token(run)
                .archive_tasklist(False)
                .members(members)
                .build()
            )
            .build()
        ),
    )
    tasklist = created.tasklist.guid
    done(
        "add members",
        task.tasklist.add_members(
            AddMembersTasklistRequest.builder()
            .tasklist_guid(tasklist)
            .request_body(AddMembersTasklistRequestBody.builder().members(members).build())
            .build()
        ),
    )
    got = done(
        "get tasklist",
        task.tasklist.get(GetTasklistRequest.builder().tasklist_guid(tasklist).build()),
    )
    expect("owner", (got.tasklist.owner.id, got.tasklist.owner.role), ("cli_sandbox", "owner"))

    names, token = [], ""
    while True:
        page = done(
            "list tasklists",
            task.tasklist.list(
                ListTasklistRequest.builder().page_size(1).page_token(token).build()
            ),
        )
        names += [item.name for item in page.items]
        token = page.page_token
        if not page.has_more:
            break
    expect("listed", f"Python {run}" in names, True)

    chat = done(
        "create chat",
        im.chat.create(
            CreateChatRequest.builder()
            .user_id_type("open_id")
            .set_bot_manager(True)
            .uuid(run)
            .request_body(CreateChatRequestBody.builder().name("room").owner_id("ou_a").build())
            .build()
        ),
    ).chat_id
    inside = done(
        "is in chat",
        im.chat_members.is_in_chat(IsInChatChatMembersRequest.builder().chat_id(chat).build()),
    )
    expect("is in chat", inside.is_in_chat, True)
    expect("chat name", done("get chat", im.chat.get(GetChatRequest.builder().chat_id(chat).build())).name, "room")
    done("list chats", im.chat.list(ListChatRequest.builder().page_size(100).build()))

    subscription = (
        TasklistActivitySubscription.builder()
        .name("release-room")
        .subscribers([Member.builder().id(chat).type("chat").build()])
        .include_keys([100, 103])
        .disabled(False)
        .build()
    )
    made = done(
        "create subscription",
        task.tasklist_activity_subscription.create(
            CreateTasklistActivitySubscriptionRequest.builder()
            .tasklist_guid(tasklist)
            .user_id_type("open_id")
            .request_body(subscription)
            .build()
        ),
    ).activity_subscription
    expect("created", (made.name, made.include_keys, made.disabled), ("release-room", [100, 103], False))
    patched = done(
        "patch subscription",
        task.tasklist_activity_subscription.patch(
            PatchTasklistActivitySubscriptionRequest.builder()
            .tasklist_guid(tasklist)
            .activity_subscription_guid(made.guid)
            .request_body(
                PatchTasklistActivitySubscriptionRequestBody.builder()
                .activity_subscription(
                    TasklistActivitySubscription.builder().name("b").disabled(True).build()
                )
                .update_fields(["disabled"])
                .build()
            )
            .build()
        ),
    ).activity_subscription
    expect("patched", (patched.name, patched.disabled), ("release-room", True))
    read = GetTasklistActivitySubscriptionRequest.builder()
    read = read.tasklist_guid(tasklist).activity_subscription_guid(made.guid).build()
    got = done("get subscription", task.tasklist_activity_subscription.get(read))
    expect("subscriber", got.activity_subscription.subscribers[0].id, chat)
    listed = done(
        "list subscriptions",
        task.tasklist_activity_subscription.list(
            ListTasklistActivitySubscriptionRequest.builder().tasklist_guid(tasklist).limit(50).build()
        ),
    )
    expect("listed", [item.guid for item in listed.items], [made.guid])

    delete = DeleteTasklistActivitySubscriptionRequest.builder()
    delete = delete.tasklist_guid(tasklist).activity_subscription_guid(made.guid).build()
    done("delete subscription", task.tasklist_activity_subscription.delete(delete))
    refused("delete again", task.tasklist_activity_subscription.delete(delete), 1470404)
    done("dissolve chat", im.chat.delete(DeleteChatRequest.builder().chat_id(chat).build()))
    done(
        "delete tasklist",
        task.tasklist.delete(DeleteTasklistRequest.builder().tasklist_guid(tasklist).build()),
    )


if __name__ == "__main__":
    main(sys.argv[1])
