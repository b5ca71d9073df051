package peers;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.zip.CRC32;

/** Identities, the shard of an account, and the digest of a fact's contents. */
final class Keys {
    static final int SHARDS = 16;

    private Keys() {
    }

    static String join(String... parts) {
        StringBuilder joined = new StringBuilder();
        for (String part : parts) {
            if (joined.length() > 0) {
                joined.append('/');
            }
            joined.append(part.replace("%", "%25").replace("/", "%2F"));
        }
        return joined.toString();
    }

    static int shard(String account) {
        CRC32 sum = new CRC32();
        sum.update(account.getBytes(StandardCharsets.UTF_8));
        return (int) (sum.getValue() % SHARDS);
    }

    static String digest(String... parts) {
        try {
            byte[] text = join(parts).getBytes(StandardCharsets.UTF_8);
            byte[] hash = MessageDigest.getInstance("SHA-256").digest(text);
            return HexFormat.of().formatHex(hash, 0, 8);
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
