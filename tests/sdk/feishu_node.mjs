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
const { chat: chats, chatMembers } = client.im;
const run = randomUUID().slice(0, 8);

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
    data: { name: "room", owner_id: "ou_a" },
  }),
);
const inside = await done("is in chat", chatMembers.isInChat({ path: { chat_id } }));
assert.equal(inside.is_in_chat, true);
assert.equal((await done("get chat", chats.get({ path: { chat_id } }))).name, "room");
await done("list chats", chats.list({ params: { page_size: 100 } }));

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
