//! Members in memory, laid out in four ways: bytes of each, and what a read, a change and a new one cost.
//!
//! `cargo bench -p benches --bench member_layouts -- [--runs N]`
//!
//! Each layout runs in processes of its own, in turn: one for 1,000 guilds of 50 members with 25 different lists of roles in
//! each, one for a guild of 200,000 members with nearly as many lists. One member in five has a nickname.

use benches::{
    Failure,
    events::Random,
    figures::{median, spread},
    option, scale, usage,
};
use chrono::{DateTime, Utc};
use gateway::{MemberCache, Told};
use protocol::{
    cache::CachedMember,
    id::{GuildId, RoleId, UserId},
};
use std::{
    collections::{HashMap, HashSet},
    process::{Command, ExitCode},
    sync::Arc,
};

const SEED: u64 = 1;
const LAYOUTS: [&str; 4] = ["structs", "shared", "sorted", "table"];
const COLUMNS: [&str; 4] = ["B/member", "read ns", "change ns", "join ns"];
/// Operations of each kind that are timed.
const OPERATIONS: u64 = 200_000;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--layout").skip(1);
    let done = match (arguments.next(), arguments.next()) {
        (Some(layout), Some(world)) => measured(&layout, if world == "small" { World::SMALL } else { World::LARGE }),
        _ => compare(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("member_layouts: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> Result<(), Failure> {
    let runs = option("--runs").unwrap_or_else(|| scale(3, 1));
    println!("seed {SEED}, {runs} runs; processor time of the thread, nanoseconds each");
    for (world, title) in [("small", "guilds of 50 members"), ("large", "a guild of 200,000 members")] {
        let mut seen = vec![vec![Vec::new(); COLUMNS.len()]; LAYOUTS.len()];
        for _ in 0..runs {
            for (layout, seen) in LAYOUTS.iter().zip(&mut seen) {
                seen.iter_mut().zip(run(layout, world)?).for_each(|(seen, figure)| seen.push(figure));
            }
        }
        print!("{title:<26}");
        COLUMNS.iter().for_each(|column| print!(" {column:>24}"));
        println!();
        for (layout, seen) in LAYOUTS.iter().zip(&seen) {
            print!("{layout:<26}");
            seen.iter().for_each(|figures| print!(" {:>24}", spread(figures, 0)));
            println!("   {:.1} KB for 50", median(&seen[0]) * 50.0 / 1024.0);
        }
    }
    Ok(())
}

/// The figures of one process.
fn run(layout: &str, world: &str) -> Result<Vec<f64>, Failure> {
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["--layout", layout, world]);
    if !benches::smoke() {
        child.arg("--bench");
    }
    let output = child.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<f64> = text.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
    match figures.len() == COLUMNS.len() {
        true => Ok(figures),
        false => Err(format!("{layout}: {text}{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

fn measured(layout: &str, world: World) -> Result<(), Failure> {
    usage::pin(0);
    match layout {
        "structs" => world.measure(&mut Structs::new()),
        "shared" => world.measure(&mut Shared::new()),
        "sorted" => world.measure(&mut Sorted::new()),
        "table" => world.measure(&mut Table::new()),
        other => Err(format!("there is no layout {other:?}").into()),
    }
}

/// What every layout can do.
trait Layout {
    fn new() -> Self;
    fn put(&mut self, guild: GuildId, told: &Told<'_>);
    fn get(&self, guild: GuildId, user: UserId) -> Option<CachedMember>;
}

#[derive(Clone, Copy)]
struct World {
    guilds: u64,
    members: u64,
    roles: u64,
}

impl World {
    const SMALL: Self = Self { guilds: 1_000, members: 50, roles: 5 };
    const LARGE: Self = Self { guilds: 1, members: 200_000, roles: 40 };

    fn measure(mut self, layout: &mut impl Layout) -> Result<(), Failure> {
        (self.guilds, self.members) = scale((self.guilds, self.members), (self.guilds.min(20), self.members.min(500)));
        let (mut random, pid) = (Random::new(SEED), std::process::id());
        let before = usage::rss_kb(pid)?;
        for guild in 1..=self.guilds {
            (0..self.members).for_each(|nth| self.tell(layout, guild, user(nth), &mut random));
        }
        let bytes = (usage::rss_kb(pid)?.saturating_sub(before) * 1024) as f64 / (self.guilds * self.members) as f64;
        let operations = scale(OPERATIONS, 100);
        let any = |random: &mut Random| (1 + random.below(self.guilds), user(random.below(self.members)));
        let begun = usage::thread_nanos()?;
        for _ in 0..operations {
            let (guild, user) = any(&mut random);
            if std::hint::black_box(layout.get(GuildId::new(guild), UserId::new(user))).is_none() {
                return Err("a member is not there".into());
            }
        }
        let read = usage::thread_nanos()? - begun;
        let begun = usage::thread_nanos()?;
        for _ in 0..operations {
            let (guild, user) = any(&mut random);
            self.tell(layout, guild, user, &mut random);
        }
        let changed = usage::thread_nanos()? - begun;
        let joins = operations / 10;
        let begun = usage::thread_nanos()?;
        for nth in 0..joins {
            let new = user(random.below(self.members)) + 1 + nth % 1_000;
            self.tell(layout, 1 + random.below(self.guilds), new, &mut random);
        }
        let joined = usage::thread_nanos()? - begun;
        let each = |nanos: u64, count: u64| nanos as f64 / count as f64;
        println!(
            "{bytes:.1} {:.1} {:.1} {:.1}",
            each(read, operations),
            each(changed, operations),
            each(joined, joins)
        );
        Ok(())
    }

    fn tell(self, layout: &mut impl Layout, guild: u64, user: u64, random: &mut Random) {
        let first = guild * 1_000;
        let mut roles = vec![RoleId::new(first + 1 + random.below(self.roles))];
        let more = if self.roles > 5 { random.below(6) } else { 1 };
        roles.extend((0..more).map(|_| RoleId::new(first + 1 + self.roles + random.below(self.roles))));
        let name = format!("somebody{}", random.below(100_000));
        let nick = (random.below(5) == 0).then_some("Some Body");
        layout.put(
            GuildId::new(guild),
            &Told {
                user: UserId::new(user),
                name: &name,
                bot: false,
                nick: Some(nick),
                roles: &roles,
                joined_at: DateTime::from_timestamp(1_600_000_000, 0),
                timeout_until: Some(None),
                pending: Some(false),
                flags: Some(0),
            },
        );
    }
}

/// Ids ascend, and leave room for others in between.
fn user(nth: u64) -> u64 {
    500_000_000_000_000_000 + nth * 1_001
}

/// As a payload is written: a map of structs, each with lists and strings of its own.
struct Structs(HashMap<(GuildId, UserId), CachedMember>);

fn whole(told: &Told<'_>) -> CachedMember {
    CachedMember {
        user: told.user,
        name: told.name.into(),
        nick: told.nick.flatten().map(Into::into),
        bot: told.bot,
        roles: told.roles.into(),
        joined_at: told.joined_at,
        timeout_until: told.timeout_until.flatten(),
        pending: told.pending == Some(true),
        flags: None,
    }
}

impl Layout for Structs {
    fn new() -> Self {
        Self(HashMap::new())
    }
    fn put(&mut self, guild: GuildId, told: &Told<'_>) {
        self.0.insert((guild, told.user), whole(told));
    }
    fn get(&self, guild: GuildId, user: UserId) -> Option<CachedMember> {
        self.0.get(&(guild, user)).cloned()
    }
}

/// What of a member is not its roles or names.
#[derive(Clone, Copy)]
struct Rest {
    joined_at: u32,
    timeout: u32,
    flags: u16,
    bot: bool,
    pending: bool,
}

impl Rest {
    fn of(told: &Told<'_>) -> Self {
        let second = |at: Option<DateTime<Utc>>| at.and_then(|at| u32::try_from(at.timestamp()).ok()).unwrap_or(0);
        Self {
            joined_at: second(told.joined_at),
            timeout: second(told.timeout_until.flatten()),
            flags: told.flags.unwrap_or(0),
            bot: told.bot,
            pending: told.pending == Some(true),
        }
    }

    fn read(self, user: UserId, names: &str, name: usize, roles: &[RoleId]) -> CachedMember {
        let (name, nick) = names.split_at(name);
        let at = |second: u32| (second != 0).then(|| DateTime::from_timestamp(i64::from(second), 0)).flatten();
        let _flags = std::hint::black_box(self.flags);
        CachedMember {
            user,
            name: name.into(),
            nick: (!nick.is_empty()).then(|| nick.into()),
            bot: self.bot,
            roles: roles.into(),
            joined_at: at(self.joined_at),
            timeout_until: at(self.timeout),
            pending: self.pending,
            flags: None,
        }
    }
}

/// Both names, the length of the first, the roles, and the rest.
type Light = (Box<str>, u8, Arc<[RoleId]>, Rest);

/// A map of small structs; lists of roles that are equal are one, of the whole process; both names are one string.
struct Shared {
    members: HashMap<(GuildId, UserId), Light>,
    lists: HashSet<Arc<[RoleId]>>,
}

impl Layout for Shared {
    fn new() -> Self {
        Self { members: HashMap::new(), lists: HashSet::new() }
    }
    fn put(&mut self, guild: GuildId, told: &Told<'_>) {
        let list = self.lists.get(told.roles).map(Arc::clone).unwrap_or_else(|| {
            let list: Arc<[RoleId]> = told.roles.into();
            self.lists.insert(Arc::clone(&list));
            list
        });
        let names = [told.name, told.nick.flatten().unwrap_or("")].concat().into_boxed_str();
        let row = (names, u8::try_from(told.name.len()).unwrap_or(0), list, Rest::of(told));
        if let Some((_, _, before, _)) = self.members.insert((guild, told.user), row)
            && Arc::strong_count(&before) == 2
        {
            self.lists.remove(&before);
        }
    }
    fn get(&self, guild: GuildId, user: UserId) -> Option<CachedMember> {
        let (names, name, roles, rest) = self.members.get(&(guild, user))?;
        Some(rest.read(user, names, usize::from(*name), roles))
    }
}

/// For each guild a sorted list of small structs, its lists of roles each once, its names in one text.
struct Sorted(HashMap<GuildId, Guild>);

#[derive(Default)]
struct Guild {
    rows: Vec<(UserId, u32, u8, u8, u32, Rest)>,
    text: String,
    used: usize,
    lists: Vec<Box<[RoleId]>>,
    places: HashMap<Box<[RoleId]>, u32>,
}

impl Guild {
    /// Where a list of roles stands. None is ever taken out again: in favour of this layout.
    fn list(&mut self, roles: &[RoleId]) -> u32 {
        if let Some(place) = self.places.get(roles) {
            return *place;
        }
        let place = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        self.lists.push(roles.into());
        self.places.insert(roles.into(), place);
        place
    }

    /// Leaves names out that are nobody's any more.
    fn tidy(&mut self) {
        let mut text = String::with_capacity(self.used);
        for (_, at, name, nick, ..) in &mut self.rows {
            let from = *at as usize;
            *at = u32::try_from(text.len()).unwrap_or(u32::MAX);
            text.push_str(&self.text[from..from + usize::from(*name) + usize::from(*nick)]);
        }
        self.text = text;
    }
}

impl Layout for Sorted {
    fn new() -> Self {
        Self(HashMap::new())
    }
    fn put(&mut self, guild: GuildId, told: &Told<'_>) {
        let guild = self.0.entry(guild).or_default();
        let list = guild.list(told.roles);
        let nick = told.nick.flatten().unwrap_or("");
        let length = |text: &str| u8::try_from(text.len()).unwrap_or(0);
        let at = u32::try_from(guild.text.len()).unwrap_or(u32::MAX);
        guild.text.push_str(told.name);
        guild.text.push_str(nick);
        guild.used += told.name.len() + nick.len();
        let row = (told.user, at, length(told.name), length(nick), list, Rest::of(told));
        match guild.rows.binary_search_by_key(&told.user, |row| row.0) {
            Ok(place) => {
                let before = std::mem::replace(&mut guild.rows[place], row);
                guild.used -= usize::from(before.2) + usize::from(before.3);
            }
            Err(place) => guild.rows.insert(place, row),
        }
        if guild.text.len() > 2 * guild.used + 64 {
            guild.tidy();
        }
    }
    fn get(&self, guild: GuildId, user: UserId) -> Option<CachedMember> {
        let guild = self.0.get(&guild)?;
        let place = guild.rows.binary_search_by_key(&user, |row| row.0).ok()?;
        let (_, at, name, nick, list, rest) = &guild.rows[place];
        let from = *at as usize;
        let names = &guild.text[from..from + usize::from(*name) + usize::from(*nick)];
        Some(rest.read(user, names, usize::from(*name), &guild.lists[*list as usize]))
    }
}

/// The gateway's: rows of 64 bytes, bounded, behind its lock.
struct Table(MemberCache);

impl Layout for Table {
    fn new() -> Self {
        Self(MemberCache::new(1_000_000))
    }
    fn put(&mut self, guild: GuildId, told: &Told<'_>) {
        self.0.put(guild, told);
    }
    fn get(&self, guild: GuildId, user: UserId) -> Option<CachedMember> {
        self.0.get(guild, user)
    }
}
