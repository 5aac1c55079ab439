// Drives a sandbox with the official Node SDK, changing nothing but the domain.
//
//     npm i @larksuiteoapi/node-sdk
//     node tests/sdk/feishu_node.mjs http://127.0.0.1:8700
//
// The SDK is looked for from the working directory. Exits 0 when every call does what the
// vendor's documentation says.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { randomUUID } from "node:crypto";

const lark = createRequire(`${process.cwd()}/`)("@larksuiteoapi/node-sdk");

const client = new lark.Client({
  domain: process.argv[2],
  appId: "cli_sandbox",
  appSecret: "sandbox-secret",
  loggerLevel: lark.LoggerLevel.error,
});
const { tasklist: tasklists, tasklistActivitySubscription: subscriptions } = client.task.v2;
const { chat: chats, chatMembers, message: messages, image: images, batchMessage } = client.im;
const { group: groups, groupMember, user: users, department: departments } = client.contact;
const run = randomUUID().slice(0, 8);

// Somebody changes the world, without the vendor's rules.
async function control(path, body) {
  const url = `${process.argv[2]}/_sandbox/${path}`;
  const answer = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  assert.equal(answer.status, 200, `${path}: ${await answer.text()}`);
}

async function done(what, call) {
  const answer = await call;
  assert.equal(answer.code, 0, `${what}: ${JSON.stringify(answer)}`);
  console.log(`${what}: ok`);
  return answer.data;
}

async function refused(what, call, code) {
  const answer = await call.catch((error) => error.response.data);
  assert.equal(answer.code, code, what);
  console.log(`${what}: refused with ${code}`);
}

const department = `od-${run}`;
await control("departments", { open_department_id: department, name: "Dev" });
const ids = [`ou_a${run}`, `ou_b${run}`];
await control("users", [
  { open_id: ids[0], email: `a${run}@example.com`, departments: [department] },
  { open_id: ids[1] },
]);

const members = [{ id: "ou_a", type: "user", role: "viewer" }];
const created = await done(
  "create tasklist",
  tasklists.create({
    params: { user_id_type: "open_id" },
    data: { name: `Node ${run}`, members },
  }),
);
const tasklist_guid = created.tasklist.guid;
await done(
  "add members",
  tasklists.addMembers({ path: { tasklist_guid }, data: { members } }),
);
const got = await done("get tasklist", tasklists.get({ path: { tasklist_guid } }));
assert.equal(got.tasklist.owner.id, "cli_sandbox");
const names = [];
for await (const page of await tasklists.listWithIterator({ params: { page_size: 1 } })) {
  names.push(...page.items.map((item) => item.name));
}
assert.ok(names.includes(`Node ${run}`));
console.log("list tasklists: ok");

const { chat_id } = await done(
  "create chat",
  chats.create({
    params: { user_id_type: "open_id", set_bot_manager: true, uuid: run },
    data: { name: "room", owner_id: ids[0] },
  }),
);
const inside = await done("is in chat", chatMembers.isInChat({ path: { chat_id } }));
assert.equal(inside.is_in_chat, true);
assert.equal((await done("get chat", chats.get({ path: { chat_id } }))).name, "room");
await done("list chats", chats.list({ params: { page_size: 100 } }));

const added = await done(
  "add members of the chat",
  chatMembers.create({
    path: { chat_id },
    params: { member_id_type: "open_id", succeed_type: 1 },
    data: { id_list: [...ids, "ou_nobody"] },
  }),
);
assert.deepEqual(added.not_existed_id_list, ["ou_nobody"]);
await refused(
  "add nobody",
  chatMembers.create({ path: { chat_id }, data: { id_list: ["ou_nobody"] } }),
  99992351,
);
const inChat = [];
for await (const page of await chatMembers.getWithIterator({
  path: { chat_id },
  params: { member_id_type: "open_id", page_size: 1 },
})) {
  inChat.push(...page.items.map((item) => item.member_id));
}
assert.deepEqual(inChat, ids);
console.log("list members of the chat: ok");
const removal = { path: { chat_id }, params: { member_id_type: "open_id" }, data: { id_list: [ids[1]] } };
const removed = await done("remove members of the chat", chatMembers.delete(removal));
assert.deepEqual(removed.invalid_id_list, []);
await refused(
  "remove the owner",
  chatMembers.delete({ ...removal, data: { id_list: [ids[0]] } }),
  232076,
);
await done(
  "update chat",
  chats.update({ path: { chat_id }, data: { name: "hall", description: "managed" } }),
);
const changed = await done("get chat", chats.get({ path: { chat_id } }));
assert.deepEqual([changed.name, changed.description, changed.user_count], ["hall", "managed", "1"]);
const hits = await done("search chats", chats.search({ params: { query: "hal", page_size: 100 } }));
assert.ok(hits.items.some((item) => item.chat_id === chat_id));

const PNG = Buffer.from("89504e470d0a1a0a0000000d494844520000000100000001", "hex");
// Of an upload the SDK gives the data alone.
const { image_key } = await images.create({ data: { image_type: "message", image: PNG } });
assert.match(image_key, /^img_/);
console.log("upload image: ok");
const text = (receive_id, receive_id_type, uuid) => ({
  params: { receive_id_type },
  data: { receive_id, msg_type: "text", content: JSON.stringify({ text: "hello" }), uuid },
});
const { message_id } = await done("send text", messages.create(text(chat_id, "chat_id", run)));
const same = await done("send text again", messages.create(text(chat_id, "chat_id", run)));
assert.equal(same.message_id, message_id);
await done(
  "send image",
  messages.create({
    params: { receive_id_type: "open_id" },
    data: { receive_id: ids[0], msg_type: "image", content: JSON.stringify({ image_key }) },
  }),
);
await refused("send elsewhere", messages.create(text(chat_id, "open_id")), 230034);
await control("read", { person: ids[0], message: message_id });
const readers = await done(
  "list readers",
  messages.readUsers({ path: { message_id }, params: { user_id_type: "open_id" } }),
);
assert.deepEqual(readers.items.map((item) => item.user_id), [ids[0]]);
await done("recall message", messages.delete({ path: { message_id } }));
await refused("recall again", messages.delete({ path: { message_id } }), 230110);

const batch = await done(
  "send batch",
  client.request({
    method: "POST",
    url: "/open-apis/message/v4/batch_send/",
    data: {
      open_ids: [...ids, "ou_nobody"],
      department_ids: [department],
      msg_type: "text",
      content: { text: "hello" },
    },
  }),
);
assert.deepEqual(batch.invalid_open_ids, ["ou_nobody"]);
const batchPath = { path: { batch_message_id: batch.message_id } };
await control("advance", { seconds: 5 });
await control("read", { person: ids[0], message: batch.message_id });
const progress = await done("progress", batchMessage.getProgress(batchPath));
assert.deepEqual(progress.batch_message_send_progress, {
  valid_user_ids_count: 2,
  success_user_ids_count: 2,
  read_user_ids_count: 1,
});
const { read_user } = await done("read users", batchMessage.readUser(batchPath));
assert.deepEqual(read_user, { read_count: "1", total_count: "2" });
await done("recall batch", batchMessage.delete(batchPath));
await control("advance", { seconds: 5 });
const recalled = await done("progress", batchMessage.getProgress(batchPath));
assert.deepEqual(recalled.batch_message_recall_progress, { recall: true, recall_count: 2 });

const group_id = `node${run}`;
const newGroup = { data: { name: `Node ${run}`, description: "d", type: 1, group_id } };
assert.equal((await done("create group", groups.create(newGroup))).group_id, group_id);
await refused("create group again", groups.create(newGroup), 47005);
await done("patch group", groups.patch({ path: { group_id }, data: { description: "managed" } }));
const { group } = await done("get group", groups.get({ path: { group_id } }));
assert.deepEqual([group.name, group.description], [`Node ${run}`, "managed"]);
const { grouplist } = await done("list groups", groups.simplelist({ params: { page_size: 100 } }));
assert.ok(grouplist.some((item) => item.id === group_id));
const named = (list) =>
  list.map((member_id) => ({ member_id, member_type: "user", member_id_type: "open_id" }));
const { results } = await done(
  "add to group",
  groupMember.batchAdd({ path: { group_id }, data: { members: named([...ids, "ou_nobody"]) } }),
);
assert.deepEqual(results.map((result) => result.code), [0, 0, 41073]);
const { memberlist } = await done(
  "list group",
  groupMember.simplelist({ path: { group_id }, params: { member_type: "user", page_size: 50 } }),
);
assert.deepEqual(memberlist.map((item) => item.member_id), ids);
await refused("delete group", groups.delete({ path: { group_id } }), 42017);
await done(
  "remove from group",
  groupMember.batchRemove({ path: { group_id }, data: { members: named(ids) } }),
);
await done("delete group", groups.delete({ path: { group_id } }));

const { user_list } = await done(
  "look up addresses",
  users.batchGetId({
    params: { user_id_type: "open_id" },
    data: { emails: [`a${run}@example.com`, "nobody@example.com"] },
  }),
);
assert.deepEqual(user_list.map((item) => item.user_id), [ids[0], undefined]);
const read_users = await done(
  "read users",
  users.batch({ params: { user_ids: [...ids, "ou_nobody"], user_id_type: "open_id" } }),
);
assert.deepEqual(read_users.items.map((item) => item.open_id), ids);
const read_departments = await done(
  "read departments",
  departments.batch({ params: { department_ids: [department, "od-nobody"] } }),
);
assert.deepEqual(
  read_departments.items.map((item) => item.open_department_id),
  [department],
);

const made = await done(
  "create subscription",
  subscriptions.create({
    path: { tasklist_guid },
    params: { user_id_type: "open_id" },
    data: {
      name: "release-room",
      subscribers: [{ id: chat_id, type: "chat" }],
      include_keys: [100, 103],
      disabled: false,
    },
  }),
);
const path = { tasklist_guid, activity_subscription_guid: made.activity_subscription.guid };
const patched = await done(
  "patch subscription",
  subscriptions.patch({
    path,
    data: { activity_subscription: { name: "b", disabled: true }, update_fields: ["disabled"] },
  }),
);
assert.equal(patched.activity_subscription.name, "release-room");
assert.equal(patched.activity_subscription.disabled, true);
const read = await done("get subscription", subscriptions.get({ path }));
assert.equal(read.activity_subscription.subscribers[0].id, chat_id);
const listed = await done(
  "list subscriptions",
  subscriptions.list({ path: { tasklist_guid }, params: { limit: 50 } }),
);
assert.deepEqual(listed.items.map((item) => item.guid), [path.activity_subscription_guid]);
await done("delete subscription", subscriptions.delete({ path }));
await refused("delete again", subscriptions.delete({ path }), 1470404);
await done("dissolve chat", chats.delete({ path: { chat_id } }));
await done("delete tasklist", tasklists.delete({ path: { tasklist_guid } }));
