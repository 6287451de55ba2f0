# ---
# title: What does the Internet's checksum not see?
# summary: It sees every flipped bit and no swapped word, and of two flipped bits it misses one pair in thirty-three, where another check of sixteen bits misses none.
# tags: [systems, numerics]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** every IPv4 header, every segment of TCP and nearly every datagram of UDP carries a checksum of 16 bits
# [@braden1988rfc1071]. If it is right, is the packet right?
#
# By the end we have the checksum in two lines, all the errors of three kinds that can happen to a packet of 64 bytes,
# and the reason why a bad sum of sixteen bits is worse than sixteen bits.

# %%
import binascii
import itertools
import random
import zlib

import matplotlib.pyplot as plt
import numpy as np

from kb import claim

# %% [markdown]
# ## A sum of words
#
# The message is read as words of 16 bits, the words are added, and what overflows at the top is added again at the
# bottom. The complement of the sum is sent along.
#
# That is addition modulo $2^{16} - 1$, because $2^{16} \equiv 1$ there.


# %%
def checksum(message):
    """The Internet checksum of a message of an even number of bytes."""
    words = np.frombuffer(message, ">u2")
    return 0xFFFF - int(words.sum(dtype=np.int64)) % 0xFFFF


PACKET = random.Random(0).randbytes(64)
EXAMPLE = bytes.fromhex("0001 f203 f4f5 f6f7")
print(f"the example of RFC 1071: sum {0xFFFF - checksum(EXAMPLE):04x};  our packet: checksum {checksum(PACKET):04x}")

# %% [markdown]
# The sum in the document is `ddf2` [@braden1988rfc1071].
#
# As comparisons we take two cyclic redundancy checks, remainders of a division of polynomials: one of 32 bits, as
# Ethernet has it, and one of 16, which has no more room than the checksum has.

# %%
CHECKS = {
    "checksum, 16 bits": checksum,
    "CRC, 16 bits": lambda message: binascii.crc_hqx(message, 0xFFFF),
    "CRC, 32 bits": zlib.crc32,
}


def missed(check, damaged):
    """The number of damaged packets that have the right check, and their share."""
    right = check(PACKET)
    verdicts = [check(packet) == right for packet in damaged if packet != PACKET]
    return sum(verdicts), sum(verdicts) / len(verdicts)


# %% [markdown]
# ## Three kinds of damage
#
# All of it can be listed: 512 single bits, 130,816 pairs of bits, and 496 pairs of words that change places.
#
# **Predict first:** sixteen bits can take 65,536 values.
# So how many single flips will the checksum miss, how many swaps, and one in how many pairs of flips?


# %%
def flipped(*bits):
    """The packet with these bits inverted."""
    packet = bytearray(PACKET)
    for bit in bits:
        packet[bit // 8] ^= 0x80 >> bit % 8
    return bytes(packet)


def swapped(first, second):
    """The packet with two of its 32 words exchanged."""
    words = [PACKET[i : i + 2] for i in range(0, len(PACKET), 2)]
    words[first], words[second] = words[second], words[first]
    return b"".join(words)


# %%
DAMAGE = {
    "one bit": [flipped(bit) for bit in range(512)],
    "two words swapped": [swapped(*pair) for pair in itertools.combinations(range(32), 2)],
    "two bits": [flipped(*pair) for pair in itertools.combinations(range(512), 2)],
}
found = {(name, kind): missed(check, packets) for name, check in CHECKS.items() for kind, packets in DAMAGE.items()}
for name in CHECKS:
    print(
        f"{name:18}",
        "   ".join(f"{kind}: missed {found[name, kind][0]:5,} of {len(DAMAGE[kind]):7,}" for kind in DAMAGE),
    )

# %% [markdown]
# A sum does not know the order of its terms, so it misses every swap. The CRC of the same length misses none.

# %%
claim(
    "internet-checksum-blind-spot",
    test=lambda name: found[name, "one bit"][0] == 0 and found[name, "two words swapped"][1] == 1,
    on="checksum, 16 bits",
    control="CRC, 16 bits",
    flips=len(DAMAGE["one bit"]),
    flips_missed=found["checksum, 16 bits", "one bit"][0],
    swaps=len(DAMAGE["two words swapped"]),
    swaps_missed=found["checksum, 16 bits", "two words swapped"][0],
    crc_missed=found["CRC, 16 bits", "two words swapped"][0],
)

# %% [markdown]
# ## Sixteen bits that are worth five
#
# The pairs are the surprise: not one in 65,536 is missed, but about one in thirty-two.
# Two flips cancel if they are in the same place of two words, and one adds what the other takes away.
#
# **Predict:** the second bit is in the first one's place with a chance of about 1/16, and the opposite of it with ½.

# %%
pairs = list(itertools.combinations(range(512), 2))
same_place = [(a, b) for a, b in pairs if a % 16 == b % 16]
bit = [PACKET[i // 8] >> (7 - i % 8) & 1 for i in range(512)]
opposite = sum(bit[a] != bit[b] for a, b in same_place)
print(f"in the same place: {len(same_place) / len(pairs):.4f}   and opposite: {opposite / len(pairs):.4f}")
print(f"missed:            {found['checksum, 16 bits', 'two bits'][1]:.4f}   1/32 = {1 / 32:.4f}")

# %%
claim(
    "two-flips-slip-past-the-checksum",
    test=lambda name: found[name, "two bits"][1] > 1 / 1000,
    on="checksum, 16 bits",
    control="CRC, 16 bits",
    one_in=1 / found["checksum, 16 bits", "two bits"][1],
    pairs=len(pairs),
    missed=found["checksum, 16 bits", "two bits"][0],
    crc_missed=found["CRC, 16 bits", "two bits"][0],
)

# %% [markdown]
# ## Does it get better with more damage?
#
# Damage so heavy that the packet is noise passes any check of 16 bits by chance, once in 65,536.
#
# **Predict first:** with three flips nothing can cancel in one place. Is the checksum safe from them?

# %%
rng = np.random.default_rng(0)
BITS = np.unpackbits(np.frombuffer(PACKET, np.uint8))


def damaged(flips, packets=20_000):
    """Packets with this many bits inverted, at random places."""
    places = rng.random((packets, BITS.size)).argpartition(flips, axis=1)[:, :flips]
    inverted = np.zeros((packets, BITS.size), np.uint8)
    np.put_along_axis(inverted, places, 1, axis=1)
    return [row.tobytes() for row in np.packbits(BITS ^ inverted, axis=1)]


# %%
FLIPS = range(2, 9)
heavier = [damaged(flips) for flips in FLIPS]
curves = {name: [missed(CHECKS[name], packets)[1] for packets in heavier] for name in list(CHECKS)[:2]}
for name, shares in curves.items():
    print(f"{name:18}", "  ".join(f"{flips} flips {share:.2%}" for flips, share in zip(FLIPS, shares, strict=True)))

# %%
figure, axes = plt.subplots()
for (name, shares), style in zip(curves.items(), ("o-", "s--"), strict=True):
    axes.plot(FLIPS, shares, style, label=name)
axes.set_yscale("symlog", linthresh=1e-4, linscale=0.5)
axes.set_yticks([0, 1e-4, 1e-3, 1e-2], ["none", "1 in 10,000", "1 in 1,000", "1 in 100"])
axes.set(xlabel="bits flipped at random in 64 bytes", ylabel="damaged packets that pass", ylim=(-2e-5, 0.1))
axes.set_xticks(FLIPS)
axes.legend()
axes.set_title("A sum is weakest against two flips")
plt.show()

# %% [markdown]
# Not safe: two ones that vanish in one column are made good by a one that appears in the next higher.
# A check earns its keep on *light* damage, for heavy damage is noticed anyway, and there the sum is worth five bits of
# its sixteen.
#
# Why was it chosen? It can be computed with an adder, in any order of bytes, and corrected without being computed anew
# when a router changes a field; the last exercise does that.
#
# ## Exercises
#
# 1. A word of zeros becomes a word of ones. What does the checksum say?
# 2. Exchange the two bytes of every word. What happens to the checksum?
# 3. A router lowers the word at place 4 by one. Find the new checksum from the old, without the packet.
#
# ??? success "Answers"
#     1. Nothing: 0xFFFF is 0 modulo 0xFFFF. All sixteen bits of a word may be wrong.
#     2. Its bytes are exchanged, too. That is why machines of either byte order may compute it as they like.
#     3. It rises by one (modulo 0xFFFF): the complement of a sum that fell by one.
#
# ## What we now know
#
# - The checksum sees each of 512 single flips and none of 496 swaps.
# - It misses one pair of flips in 33, because a flip up and a flip down in one column cancel.
# - It is not for want of bits: a CRC of sixteen misses none of these.
# - So *the check is right* never means *the data is right*; it means that none of certain errors has happened.
