/* A Modbus device of another make (libmodbus): known values in all tables, and a ring of records
 * of the layout of the profile "uwb_reader", to which it adds all the time.
 *
 *   modbus_device PORT|SERIAL RECORDS_PER_S BOOT_ID HEAD [UNIT [NUMBER]]
 *
 * HEAD records were written before it starts. Prints "ready PORT" when it listens (PORT 0: any). On
 * a serial port (a path, 19200 baud, no parity) it speaks RTU as UNIT, whose number is holding
 * register 52, and prints "ready SERIAL".
 *
 * With a NUMBER, 16 numbers of 32 bits from holding register 64 on and 13 from 98 on say who they
 * are and of when: NUMBER * 10000000 + which * 100000 + tenths of seconds since the Unix epoch,
 * modulo 100000. SIGUSR1 sets its clock an hour ahead, and back; SIGUSR2 makes it twice as fast,
 * and right again.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <modbus.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/time.h>
#include <unistd.h>

enum { CAPACITY = 2048, WIDTH = 25, FIRST = 16, INPUTS = FIRST + CAPACITY * WIDTH };

static modbus_mapping_t *map;
static uint32_t head;
static uint32_t who;
static volatile sig_atomic_t jumped, fast;
static uint64_t fast_since_us;

static uint64_t now_us(void) {
    struct timeval now;
    gettimeofday(&now, NULL);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_usec;
}

static void on_signal(int which) {
    if (which == SIGUSR1)
        jumped = !jumped;
    else
        fast = !fast;
}

/* What the device's own clock shows. */
static uint64_t clock_us(void) {
    uint64_t now = now_us();
    if (!fast || !fast_since_us)
        fast_since_us = now;
    return now + (jumped ? 3600000000u : 0) + (now - fast_since_us);
}

static void put32(uint16_t *at, uint32_t value) { MODBUS_SET_INT32_TO_INT16(at, 0, value); }

static void put64(uint16_t *at, uint64_t value) {
    put32(at, (uint32_t)(value >> 32));
    put32(at + 2, (uint32_t)value);
}

static void swap_words(uint16_t *at, int count) {
    for (int i = 0; i < count / 2; i++) {
        uint16_t kept = at[i];
        at[i] = at[count - 1 - i];
        at[count - 1 - i] = kept;
    }
}

static void put_text(uint16_t *at, int registers, const char *text) {
    for (int i = 0; i < registers; i++) {
        char high = *text ? *text++ : 0, low = *text ? *text++ : 0;
        at[i] = (uint16_t)((uint8_t)high << 8 | (uint8_t)low);
    }
}

static void put_float(uint16_t *at, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put32(at, bits);
}

static void put_double(uint16_t *at, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put64(at, bits);
}

/* CRC-16/MODBUS, bit by bit, as the serial line specification writes it down. */
static uint16_t crc16(const uint16_t *registers, int count) {
    uint16_t crc = 0xFFFF;
    for (int i = 0; i < 2 * count; i++) {
        crc ^= i % 2 ? registers[i / 2] & 0xFF : registers[i / 2] >> 8;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? (crc >> 1) ^ 0xA001 : crc >> 1;
    }
    return crc;
}

static void add_record(void) {
    uint32_t number = head + 1;
    uint16_t *at = map->tab_input_registers + FIRST + (number - 1) % CAPACITY * WIDTH;
    char card[19];
    snprintf(card, sizeof card, "14010000%010" PRIu32, number % 7);
    put32(at, number);
    put64(at + 2, clock_us());
    put_text(at + 6, 9, card);
    put_text(at + 15, 4, "A001");
    put32(at + 19, number * 10);
    at[21] = (uint16_t)-7050;
    at[22] = number % 2 ? (uint16_t)-32768 : (uint16_t)-7200;
    at[23] = 0;
    at[24] = crc16(at, WIDTH - 1);
    head = number;
    put32(map->tab_input_registers + 2, head);
}

static void fill_values(void) {
    uint16_t *h = map->tab_registers;
    h[0] = (uint16_t)-1234;
    h[1] = 60000;
    put32(h + 2, (uint32_t)-123456789);
    put32(h + 4, (uint32_t)-123456789);
    swap_words(h + 4, 2);
    put32(h + 6, 4000000000u);
    /* Not libmodbus's own modbus_set_float_abcd: its byte order differs from version to version. */
    put_float(h + 8, 3.25f);
    put_float(h + 10, -0.5f);
    swap_words(h + 10, 2);
    put_double(h + 12, 1e9 + 0.125);
    put_double(h + 16, -1e-9);
    swap_words(h + 16, 4);
    put64(h + 20, (uint64_t)-1234567890123LL);
    put64(h + 24, 9007199254740991u);
    swap_words(h + 24, 4);
    put_text(h + 30, 8, "SN-2024/07");
    h[40] = 0x0105;
    h[50] = 2;
    h[51] = 77;
    for (int i = 0; i < map->nb_bits; i++)
        map->tab_bits[i] = i % 3 == 0;
    for (int i = 0; i < map->nb_input_bits; i++)
        map->tab_input_bits[i] = i % 5 == 0;
}

/* Numbers that say who they are and of when. */
static void tell_number(void) {
    uint32_t tenths = (uint32_t)(now_us() / 100000u % 100000u);
    for (uint32_t n = 0; who && n < 29; n++) {
        uint16_t *at = map->tab_registers + (n < 16 ? 64 : 66) + 2 * n;
        put32(at, who * 10000000u + n * 100000u + tenths);
    }
}

/* Adds the records that are due, and shows the time. */
static void go_on(uint64_t per_s, uint64_t start_us) {
    static uint64_t written;
    for (uint64_t due = (now_us() - start_us) * per_s / 1000000u; written < due; written++)
        add_record();
    put64(map->tab_input_registers + 4, clock_us());
    tell_number();
}

/* Answers on a serial line until the test that started it is gone. */
static int serve_serial(const char *path, int unit, uint64_t per_s, uint64_t start_us) {
    modbus_t *bus = modbus_new_rtu(path, 19200, 'N', 8, 1);
    map->tab_registers[52] = (uint16_t)unit;
    if (!bus || modbus_set_slave(bus, unit) || modbus_connect(bus))
        return fprintf(stderr, "%s: %s\n", path, modbus_strerror(errno)), 1;
    modbus_set_indication_timeout(bus, 0, 100000);
    /* For so long it takes what follows a request to another unit for that one's answer. */
    modbus_set_response_timeout(bus, 0, 100000);
    printf("ready %s\n", path);
    fflush(stdout);
    for (pid_t parent = getppid(); getppid() == parent;) {
        uint8_t query[MODBUS_RTU_MAX_ADU_LENGTH];
        int received = modbus_receive(bus, query);
        go_on(per_s, start_us);
        if (received > 0)
            modbus_reply(bus, query, received, map);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 5)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, on_signal);
    who = argc > 6 ? (uint32_t)strtoul(argv[6], NULL, 10) : 0;
    uint64_t per_s = strtoull(argv[2], NULL, 10), start_us = now_us();
    map = modbus_mapping_new(64, 64, 128, INPUTS);
    if (!map)
        return 1;
    fill_values();
    put32(map->tab_input_registers, (uint32_t)strtoul(argv[3], NULL, 10));
    for (uint32_t before = (uint32_t)strtoul(argv[4], NULL, 10); head < before;)
        add_record();
    if (argv[1][0] == '/')
        return serve_serial(argv[1], argc > 5 ? atoi(argv[5]) : 1, per_s, start_us);
    modbus_t *bus = modbus_new_tcp("127.0.0.1", atoi(argv[1]));
    if (!bus)
        return 1;
    int listener = modbus_tcp_listen(bus, 8);
    if (listener < 0)
        return fprintf(stderr, "listen: %s\n", modbus_strerror(errno)), 1;
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("ready %d\n", ntohs(address.sin_port));
    fflush(stdout);
    fd_set all;
    FD_ZERO(&all);
    FD_SET(listener, &all);
    /* Ends by itself when the test that started it is gone. */
    for (pid_t parent = getppid(); getppid() == parent;) {
        go_on(per_s, start_us);
        fd_set ready = all;
        struct timeval wait = {0, 2000};
        if (select(FD_SETSIZE, &ready, NULL, NULL, &wait) <= 0)
            continue;
        for (int fd = 0; fd < FD_SETSIZE; fd++) {
            if (!FD_ISSET(fd, &ready))
                continue;
            if (fd == listener) {
                int connection = accept(listener, NULL, NULL);
                if (connection >= 0)
                    FD_SET(connection, &all);
                continue;
            }
            uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
            modbus_set_socket(bus, fd);
            int received = modbus_receive(bus, query);
            tell_number();
            if (received > 0)
                modbus_reply(bus, query, received, map);
            else if (received < 0) {
                close(fd);
                FD_CLR(fd, &all);
            }
        }
    }
    return 0;
}
