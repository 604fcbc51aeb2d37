// A bot of discord.js that does what tests/it/foreign.rs asks: it talks to the stand-in that the environment names.
//
// API_BASE is the only address it is given; the gateway's comes from GET /gateway/bot. It ends when its input ends.

import { createRequire } from "node:module";
import net from "node:net";
import assert from "node:assert/strict";

// Refuses every connection that would leave this machine, whoever asks for it.
const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...given) {
  const [options] = Array.isArray(given[0]) ? given[0] : given;
  assert.equal(options?.host, "127.0.0.1", "not loopback");
  return connect.apply(this, given);
};

// Installed elsewhere, as FOREIGN_HOME says: the clone stays as it is.
const require = createRequire(`${process.env.FOREIGN_HOME}/package.json`);
const { Client, Events, GatewayIntentBits, MessageFlags } = require("discord.js");

const tell = (what, more = {}) => console.log(JSON.stringify({ tell: what, ...more }));
const failed = (at) => (error) => tell("failed", { at, error: String(error?.stack ?? error) });
const ALL = Object.values(GatewayIntentBits).reduce((bits, bit) => (typeof bit === "number" ? bits | bit : bits), 0);

const [api, version] = process.env.API_BASE.split("/v");
const client = new Client({ intents: ALL, rest: { api, version } });
const TEXT = 3;

client.once(Events.ClientReady, async () => {
  await client.application.commands.set([
    { name: "greet", description: "Says hello", options: [{ type: TEXT, name: "name", description: "Whom", required: true }] },
    { name: "later", description: "Answers later, to one person" },
  ]);
  const guild = client.guilds.cache.first();
  tell("ready", { user: client.user.id, guild: guild.id, name: guild.name, members: guild.memberCount });
});
client.on(Events.ShardResume, () => tell("resumed"));
client.on(Events.Error, failed("client"));
client.on(Events.Debug, (text) => console.error(text));

client.on(Events.MessageCreate, async (message) => {
  if (message.author.bot) return;
  if (message.content.startsWith("!echo ")) {
    tell("heard", { author: message.author.username, content: message.content });
    await message.reply(message.content.slice("!echo ".length)).catch(failed("echo"));
  } else if (message.content === "!tour") {
    await tour(message).catch(failed("tour"));
  }
});

// The everyday requests, each read back.
async function tour(message) {
  await message.react("✅");
  await message.channel.sendTyping();
  const sent = await message.channel.send({ content: "one", embeds: [{ title: "Tour", description: "An embed" }] });
  await sent.edit("two");
  assert.equal((await message.channel.messages.fetch({ message: sent.id, force: true })).content, "two");
  const newest = [...(await message.channel.messages.fetch({ limit: 2 })).keys()];
  assert.deepEqual(newest, [sent.id, message.id]);
  const member = await message.guild.members.fetch({ user: message.author.id, force: true });
  assert.equal(member.user.username, message.author.username);
  assert.equal((await client.users.fetch(message.author.id, { force: true })).id, message.author.id);
  assert.ok((await message.guild.channels.fetch()).has(message.channel.id));
  assert.equal((await client.guilds.fetch({ guild: message.guild.id, force: true })).name, message.guild.name);
  assert.equal((await client.application.fetch()).id, client.application.id);
  assert.ok((await message.guild.members.fetch()).has(message.author.id)); // over the gateway
  await sent.delete();
  await message.reply("toured");
}

client.on(Events.InteractionCreate, async (interaction) => {
  try {
    if (interaction.commandName === "greet") {
      await interaction.reply(`Hello, ${interaction.options.getString("name")}!`);
    } else {
      await interaction.deferReply({ flags: MessageFlags.Ephemeral });
      await interaction.editReply("It is later.");
      await interaction.followUp({ content: "And later still.", flags: MessageFlags.Ephemeral });
    }
  } catch (error) {
    failed("interaction")(error);
  }
});

process.stdin.on("end", async () => {
  await client.destroy();
  process.exit(0);
});
process.stdin.resume();
await client.login(process.env.TOKEN);
