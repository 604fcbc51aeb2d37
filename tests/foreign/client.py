"""A bot of discord.py that does what tests/it/foreign.rs asks: it talks to the stand-in that the environment names.

API_BASE and GATEWAY_URL are the only addresses that it knows. It ends when its input ends.
"""

import asyncio
import json
import os
import sys

import discord
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route
from yarl import URL


def loopback_only(event, arguments):
    """Refuses every look-up of a name and every connection that would leave this machine, whoever asks for it."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if host != "127.0.0.1":
        raise PermissionError(f"{host} is not loopback")


sys.addaudithook(loopback_only)
Route.BASE = os.environ["API_BASE"]
# For an IDENTIFY after a session was refused: the first address comes from GET /gateway/bot, a RESUME's from READY.
DiscordWebSocket.DEFAULT_GATEWAY = URL(os.environ["GATEWAY_URL"])


def tell(what, **more):
    print(json.dumps({"tell": what, **more}), flush=True)


client = discord.AutoShardedClient(intents=discord.Intents.all())
tree = app_commands.CommandTree(client)


@tree.command(name="greet", description="Says hello")
async def greet(interaction: discord.Interaction, name: str):
    await interaction.response.send_message(f"Hello, {name}!")


@tree.command(name="later", description="Answers later, to one person")
async def later(interaction: discord.Interaction):
    await interaction.response.defer(ephemeral=True)
    await interaction.edit_original_response(content="It is later.")
    await interaction.followup.send("And later still.", ephemeral=True)


told_ready = False


@client.event
async def on_ready():
    """Comes again with each new session, long after it has begun: the client may be on its way out by then."""
    global told_ready
    if told_ready:
        return
    told_ready = True
    await tree.sync()
    guild = client.guilds[0]
    tell("ready", user=str(client.user.id), guild=str(guild.id), name=guild.name, members=guild.member_count)


@client.event
async def on_shard_resumed(_shard):
    tell("resumed")


@client.event
async def on_message(message: discord.Message):
    if message.author.bot:
        return
    if message.content.startswith("!echo "):
        tell("heard", author=message.author.name, content=message.content)
        await message.reply(message.content.removeprefix("!echo "))
    elif message.content == "!tour":
        await tour(message)


async def tour(message: discord.Message):
    """The everyday requests, each read back."""
    await message.add_reaction("✅")
    async with message.channel.typing():
        sent = await message.channel.send("one", embed=discord.Embed(title="Tour", description="An embed"))
    await sent.edit(content="two")
    assert (await message.channel.fetch_message(sent.id)).content == "two"
    newest = [one.id async for one in message.channel.history(limit=2)]
    assert newest == [sent.id, message.id], newest
    assert (await message.guild.fetch_member(message.author.id)).name == message.author.name
    assert (await client.fetch_user(message.author.id)).name == message.author.name
    assert any(one.id == message.channel.id for one in await message.guild.fetch_channels())
    assert (await client.fetch_guild(message.guild.id)).name == message.guild.name
    assert (await client.application_info()).id == client.application_id
    await sent.delete()
    await message.reply("toured")


@client.event
async def on_error(event, *_):
    tell("failed", at=event, error=repr(sys.exc_info()[1]))


@tree.error
async def on_command_error(interaction, error):
    tell("failed", at=str(interaction.command), error=repr(error))


async def main():
    discord.utils.setup_logging()
    async with client:
        running = asyncio.create_task(client.start(os.environ["TOKEN"]))
        running.add_done_callback(lambda _: os._exit(1) if not client.is_closed() else None)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await client.close()


asyncio.run(main())
