"""Drives a sandbox with the official Python SDK, changing nothing but the domain.

    pip install lark-oapi
    python tests/sdk/feishu_python.py http://127.0.0.1:8700

Exits 0 when every call does what the vendor's documentation says.
"""

import io
import json
import sys
import urllib.request
import uuid

import lark_oapi as lark
from lark_oapi.api.contact.v3 import (
    BatchAddGroupMemberRequest,
    BatchAddGroupMemberRequestBody,
    BatchDepartmentRequest,
    BatchGetIdUserRequest,
    BatchGetIdUserRequestBody,
    BatchRemoveGroupMemberRequest,
    BatchRemoveGroupMemberRequestBody,
    BatchUserRequest,
    CreateGroupRequest,
    DeleteGroupRequest,
    GetGroupRequest,
    Group,
    Memberlist,
    PatchGroupRequest,
    SimplelistGroupMemberRequest,
    SimplelistGroupRequest,
)
from lark_oapi.api.im.v1 import (
    CreateChatMembersRequest,
    CreateChatMembersRequestBody,
    CreateChatRequest,
    CreateChatRequestBody,
    CreateImageRequest,
    CreateImageRequestBody,
    CreateMessageRequest,
    CreateMessageRequestBody,
    DeleteBatchMessageRequest,
    DeleteChatMembersRequest,
    DeleteChatMembersRequestBody,
    DeleteChatRequest,
    DeleteMessageRequest,
    GetChatMembersRequest,
    GetChatRequest,
    GetProgressBatchMessageRequest,
    IsInChatChatMembersRequest,
    ListChatRequest,
    ReadUserBatchMessageRequest,
    ReadUsersMessageRequest,
    SearchChatRequest,
    UpdateChatRequest,
    UpdateChatRequestBody,
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


def control(domain, path, body):
    """Somebody changes the world, without the vendor's rules."""
    request = urllib.request.Request(f"{domain}/_sandbox/{path}", json.dumps(body).encode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return json.load(opener.open(request))


def members_of_a_chat(im, chat, ids):
    def add(ids, succeed_type):
        body = CreateChatMembersRequestBody.builder().id_list(ids).build()
        return im.chat_members.create(
            CreateChatMembersRequest.builder()
            .chat_id(chat)
            .member_id_type("open_id")
            .succeed_type(succeed_type)
            .request_body(body)
            .build()
        )

    added = done("add members of the chat", add([*ids, "ou_nobody"], 1))
    expect("not existed", added.not_existed_id_list, ["ou_nobody"])
    refused("add nobody", add(["ou_nobody"], 0), 99992351)
    found, token = [], ""
    while True:
        page = done(
            "list members of the chat",
            im.chat_members.get(
                GetChatMembersRequest.builder()
                .chat_id(chat)
                .member_id_type("open_id")
                .page_size(1)
                .page_token(token)
                .build()
            ),
        )
        found += [item.member_id for item in page.items]
        token = page.page_token
        if not page.has_more:
            break
    expect("members of the chat", found, ids)
    body = DeleteChatMembersRequestBody.builder().id_list(ids[1:]).build()
    remove = DeleteChatMembersRequest.builder().chat_id(chat).member_id_type("open_id")
    remove = remove.request_body(body).build()
    expect("removed", done("remove members", im.chat_members.delete(remove)).invalid_id_list, [])
    expect("removed again", done("again", im.chat_members.delete(remove)).invalid_id_list, ids[1:])


def settings_of_a_chat(im, chat):
    change = UpdateChatRequestBody.builder().name("hall").description("managed").build()
    update = UpdateChatRequest.builder().chat_id(chat).user_id_type("open_id")
    done("update chat", im.chat.update(update.request_body(change).build()))
    got = done("get chat", im.chat.get(GetChatRequest.builder().chat_id(chat).build()))
    expect("updated", (got.name, got.description, got.user_count), ("hall", "managed", "1"))
    search = SearchChatRequest.builder().query("hal").page_size(100).build()
    hits = done("search chats", im.chat.search(search)).items
    expect("found", chat in [hit.chat_id for hit in hits], True)


def user_groups(contact, run, ids):
    group = f"py{run}"
    create = Group.builder().name(f"Python {run}").description("d").type(1).group_id(group).build()
    create = CreateGroupRequest.builder().user_id_type("open_id").request_body(create).build()
    expect("group", done("create group", contact.group.create(create)).group_id, group)
    refused("create group again", contact.group.create(create), 47005)
    patch = Group.builder().description("managed").build()
    patch = PatchGroupRequest.builder().group_id(group).request_body(patch).build()
    done("patch group", contact.group.patch(patch))
    got = done("get group", contact.group.get(GetGroupRequest.builder().group_id(group).build()))
    expect("patched", (got.group.name, got.group.description), (f"Python {run}", "managed"))
    page = SimplelistGroupRequest.builder().page_size(100).type(1).build()
    listed = done("list groups", contact.group.simplelist(page)).grouplist
    expect("listed", group in [item.id for item in listed], True)

    def member(id):
        kind = Memberlist.builder().member_type("user").member_id_type("open_id")
        return kind.member_id(id).build()

    add = BatchAddGroupMemberRequestBody.builder()
    add = add.members([member(id) for id in [*ids, "ou_nobody"]]).build()
    add = BatchAddGroupMemberRequest.builder().group_id(group).request_body(add).build()
    results = done("add to group", contact.group_member.batch_add(add)).results
    expect("results", [result.code for result in results], [0] * len(ids) + [41073])
    list_members = SimplelistGroupMemberRequest.builder().group_id(group).page_size(50)
    list_members = list_members.member_type("user").member_id_type("open_id").build()
    found = done("list group", contact.group_member.simplelist(list_members)).memberlist
    expect("members", [item.member_id for item in found], ids)
    delete = DeleteGroupRequest.builder().group_id(group).build()
    refused("delete group", contact.group.delete(delete), 42017)
    remove = BatchRemoveGroupMemberRequestBody.builder()
    remove = remove.members([member(id) for id in ids]).build()
    remove = BatchRemoveGroupMemberRequest.builder().group_id(group).request_body(remove).build()
    done("remove from group", contact.group_member.batch_remove(remove))
    done("delete group", contact.group.delete(delete))


def look_ups(contact, run, ids, department):
    body = BatchGetIdUserRequestBody.builder()
    body = body.emails([f"a{run}@example.com", "nobody@example.com"]).build()
    ask = BatchGetIdUserRequest.builder().user_id_type("open_id").request_body(body).build()
    found = done("look up addresses", contact.user.batch_get_id(ask)).user_list
    expect("found", [item.user_id for item in found], [ids[0], None])
    read = BatchUserRequest.builder().user_ids([*ids, "ou_nobody"]).user_id_type("open_id").build()
    items = done("read users", contact.user.batch(read)).items
    expect("read", [item.open_id for item in items], ids)
    read = BatchDepartmentRequest.builder().department_ids([department, "od-nobody"]).build()
    items = done("read departments", contact.department.batch(read)).items
    expect("read", [item.open_department_id for item in items], [department])


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01"


def messages(im, domain, chat, ids):
    body = CreateImageRequestBody.builder().image_type("message").image(io.BytesIO(PNG)).build()
    upload = CreateImageRequest.builder().request_body(body).build()
    key = done("upload image", im.image.create(upload)).image_key

    def send(kind, to, msg_type, content, nonce=None):
        body = CreateMessageRequestBody.builder().receive_id(to).msg_type(msg_type)
        body = body.content(json.dumps(content))
        body = body.uuid(nonce or str(uuid.uuid4())).build()
        request = CreateMessageRequest.builder().receive_id_type(kind).request_body(body).build()
        return im.message.create(request)

    nonce = str(uuid.uuid4())
    first = done("send text", send("chat_id", chat, "text", {"text": "hello"}, nonce))
    expect("sent to", (first.chat_id, first.msg_type), (chat, "text"))
    again = done("send text again", send("chat_id", chat, "text", {"text": "hello"}, nonce))
    expect("one message", again.message_id, first.message_id)
    done("send image", send("open_id", ids[0], "image", {"image_key": key}))
    refused("send elsewhere", send("open_id", chat, "text", {"text": "hello"}), 230034)
    control(domain, "read", {"person": ids[0], "message": first.message_id})
    ask = ReadUsersMessageRequest.builder().message_id(first.message_id)
    ask = ask.user_id_type("open_id").page_size(50).build()
    readers = done("list readers", im.message.read_users(ask)).items
    expect("readers", [reader.user_id for reader in readers], ids[:1])
    recall = DeleteMessageRequest.builder().message_id(first.message_id).build()
    done("recall message", im.message.delete(recall))
    refused("recall again", im.message.delete(recall), 230110)


def batches(client, domain, ids, department):
    im = client.im.v1
    body = {
        "open_ids": [*ids, "ou_nobody"],
        "department_ids": [department],
        "msg_type": "text",
        "content": {"text": "hello"},
    }
    request = lark.BaseRequest.builder().http_method(lark.HttpMethod.POST)
    request = request.uri("/open-apis/message/v4/batch_send/")
    request = request.token_types({lark.AccessTokenType.TENANT}).body(body).build()
    response = client.request(request)
    done("send batch", response)
    sent = json.loads(response.raw.content)["data"]
    expect("invalid", sent["invalid_open_ids"], ["ou_nobody"])
    batch = sent["message_id"]
    control(domain, "advance", {"seconds": 5})
    control(domain, "read", {"person": ids[0], "message": batch})
    ask = GetProgressBatchMessageRequest.builder().batch_message_id(batch).build()
    progress = done("progress", im.batch_message.get_progress(ask)).batch_message_send_progress
    counts = (progress.valid_user_ids_count, progress.success_user_ids_count)
    expect("progress", (*counts, progress.read_user_ids_count), (2, 2, 1))
    ask = ReadUserBatchMessageRequest.builder().batch_message_id(batch).build()
    read = done("read users", im.batch_message.read_user(ask)).read_user
    expect("read", (read.read_count, read.total_count), ("1", "2"))
    recall = DeleteBatchMessageRequest.builder().batch_message_id(batch).build()
    done("recall batch", im.batch_message.delete(recall))
    control(domain, "advance", {"seconds": 5})
    ask = GetProgressBatchMessageRequest.builder().batch_message_id(batch).build()
    recalled = done("progress", im.batch_message.get_progress(ask)).batch_message_recall_progress
    expect("recalled", (recalled.recall, recalled.recall_count), (True, 2))


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

    department = f"od-{run}"
    control(domain, "departments", {"open_department_id": department, "name": "Dev"})
    ids = [f"ou_a{run}", f"ou_b{run}"]
    control(
        domain,
        "users",
        [
            {"open_id": ids[0], "email": f"a{run}@example.com", "departments": [department]},
            {"open_id": ids[1]},
        ],
    )

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
            .request_body(CreateChatRequestBody.builder().name("room").owner_id(ids[0]).build())
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
    members_of_a_chat(im, chat, ids)
    settings_of_a_chat(im, chat)
    messages(im, domain, chat, ids)
    batches(client, domain, ids, department)
    user_groups(client.contact.v3, run, ids)
    look_ups(client.contact.v3, run, ids, department)

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
